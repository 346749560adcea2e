import numpy as np
import pytest

from axial_deeplab.layers.group_norm import (
    ChannelNorm,
    ConvGroupNormAct,
    GroupNorm,
)
from tests.layers.layer_case import randomize
from tests.layers.layer_cases import features

SHAPE = (2, 3, 4, 6)
EPSILON = 0.5  # one that shows


def _settled(layer):
    layer(features(*SHAPE))
    randomize(layer)
    return layer


def _slow(layer, x, groups):
    """`groups` lists the indices [B, H, W, C] that are normalised together."""
    x = np.asarray(x, np.float64)
    out = np.zeros_like(x)
    for group in groups:
        values = x[group]
        out[group] = (values - values.mean()) / np.sqrt(
            values.var() + layer.epsilon
        )
    return out * np.asarray(layer.gamma) + np.asarray(layer.beta)


def test_group_norm_takes_consecutive_channels_of_a_sample():
    layer, x = _settled(GroupNorm(3, EPSILON)), features(*SHAPE)
    groups = [
        np.s_[b, :, :, 2 * g : 2 * g + 2] for b in range(2) for g in range(3)
    ]
    expected = _slow(layer, x, groups)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_channel_norm_takes_the_channels_of_a_pixel():
    layer, x = _settled(ChannelNorm(EPSILON)), features(*SHAPE)
    expected = _slow(layer, x, np.ndindex(SHAPE[:3]))
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_default_epsilon_is_that_of_the_public_code():
    assert GroupNorm().epsilon == ChannelNorm().epsilon == 1e-5


def test_a_large_mean_costs_no_digits():
    layer, x = GroupNorm(3), features(*SHAPE)
    np.testing.assert_allclose(layer(x + 300.0), layer(x), atol=1e-3)


def test_groups_must_divide_the_channels():
    with pytest.raises(ValueError, match="groups=4, 6 channels"):
        GroupNorm(4)(features(*SHAPE))


def test_convolution_norm_and_relu():
    layer, x = _settled(ConvGroupNormAct(4, groups=2)), features(*SHAPE)
    kernel = layer.conv.kernel.numpy()[0, 0]
    y = layer.group_norm(x.numpy() @ kernel).numpy()
    np.testing.assert_allclose(layer(x), np.maximum(y, 0), atol=1e-5)
    plain = ConvGroupNormAct(4, groups=2, activation=False)
    plain(x)
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(plain(x), y, atol=1e-5)
    assert len(layer.weights) == 3  # no bias
