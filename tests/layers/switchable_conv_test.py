import numpy as np
import pytest

from axial_deeplab.layers.switchable_conv import (
    SwitchableConv,
    SwitchableConvNorm,
)
from tests.layers.layer_inputs import features
from tests.reference import convolution as slow


def _near(actual, expected):
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (1, 2), (2, 1)])
def test_at_first_it_is_the_plain_convolution(stride, dilation):
    x, layer = features(1, 9, 8, 3), SwitchableConv(4, 3, stride, dilation)
    y = layer(x)
    _near(y, slow.convolution(x, layer.kernel, stride, dilation))
    assert len(layer.weights) == (1 if stride > 1 else 3)


def test_a_switch_of_one_is_the_large_rate():
    x, layer = features(1, 9, 8, 3), SwitchableConv(4)
    layer(x)
    layer.switch_bias.assign([1.0])
    _near(layer(x), slow.convolution(x, layer.kernel, dilation=3))


def test_the_switch_sees_the_mean_around_a_pixel():
    """Linear: a switch of 2 overshoots; the corner's mean is of 3x3 pixels."""
    x, layer = features(1, 9, 8, 3), SwitchableConv(4)
    layer(x)
    layer.switch_kernel.assign(np.reshape([2.0, 0.0, 0.0], (1, 1, 3, 1)))
    near = slow.convolution(x, layer.kernel)
    far = slow.convolution(x, layer.kernel, dilation=3)
    s = 2 * np.mean(x[0, :3, :3, 0])
    expected = s * far[0, 0, 0] + (1 - s) * near[0, 0, 0]
    _near(layer(x)[0, 0, 0], expected)


def test_contexts_shift_all_pixels_alike():
    x, layer = features(2, 9, 8, 3), SwitchableConvNorm(4)
    plain = layer(x)
    layer.after.bias.assign([0.5, -1.0, 0.0, 2.0])
    factor = np.sqrt(1 + layer.norm.epsilon)
    _near((layer(x) - plain) * factor, np.tile([0.5, -1, 0, 2], (2, 9, 8, 1)))
    layer.before.bias.assign([1.0, 0.0, 0.0])
    shifted = x + np.array([1.0, 0.0, 0.0], np.float32)
    layer.after.bias.assign(np.zeros(4))
    _near(layer(x) * factor, slow.convolution(shifted, layer.conv.kernel))


def test_strides_are_not_dilated():
    with pytest.raises(ValueError, match="needs stride 1; got stride=2"):
        SwitchableConv(4, stride=2, dilation=2)
