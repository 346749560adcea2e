import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.layers.stems import (
    ConvStem,
    deeplab_stem,
    imagenet_stem,
    xception_stem,
)
from tests.layers.layer_case import randomize
from tests.reference import convolution as reference


def _images(*shape):
    rng = np.random.default_rng(3)
    return tf.constant(rng.normal(size=shape), tf.float32)


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", [(9, 12), (7, 10), (1, 2)])
def test_stem_equals_loops(size, training, pooled):
    x = _images(2, *size, 3)
    convolutions = [ConvNormAct(4, 3, stride=2), ConvNormAct(5, 3)]
    stem = ConvStem(convolutions, pooled)
    stem(x)
    randomize(stem)
    expected = x
    for layer in stem.convolutions:
        expected = reference.conv_norm_act(layer, expected, training)
    if pooled:
        expected = reference.max_pool(expected)
    actual = stem(x, training=training)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    stride = 4 if pooled else 2
    assert actual.shape[1:3] == tuple(-(-side // stride) for side in size)


@pytest.mark.parametrize("width", [0.375, 1.0, 2.0])
def test_imagenet_stem_has_64_channels_at_every_width(width):
    stem = imagenet_stem(width)
    stem(_images(1, 8, 8, 3))
    kernels = [layer.conv.kernel.shape for layer in stem.convolutions]
    assert kernels == [(7, 7, 3, 64)]
    assert [layer.stride for layer in stem.convolutions] == [2]


@pytest.mark.parametrize("width", [0.25, 1.0])
def test_deeplab_stem_scales_its_three_convolutions(width):
    stem = deeplab_stem(width)
    stem(_images(1, 8, 8, 3))
    narrow, wide = int(64 * width), int(128 * width)
    kernels = [layer.conv.kernel.shape for layer in stem.convolutions]
    assert kernels == [
        (3, 3, 3, narrow),
        (3, 3, narrow, narrow),
        (3, 3, narrow, wide),
    ]
    assert [layer.stride for layer in stem.convolutions] == [2, 1, 1]


@pytest.mark.parametrize("width", [0.25, 1.0])
def test_xception_stem_has_stride_2(width):
    stem = xception_stem(width)
    assert stem(_images(1, 8, 8, 3)).shape == (1, 4, 4, int(64 * width))
    kernels = [layer.conv.kernel.shape for layer in stem.convolutions]
    assert [kernel[0] for kernel in kernels] == [3, 3]
    assert kernels[0][3] == int(32 * width)
    assert [layer.stride for layer in stem.convolutions] == [2, 1]
