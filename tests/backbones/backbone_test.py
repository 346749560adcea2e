import functools

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.backbones.backbone import normalize_images
from tests.models.tiny_models import (
    SIZES,
    assert_near,
    images,
    settle,
    tiny_backbone,
)


@functools.cache
def _backbone(output_stride):
    """One per output stride, all with the same weights."""
    backbone = settle(tiny_backbone(output_stride))
    if output_stride != 8:
        backbone.set_weights(_backbone(8).get_weights())
    return backbone


def _strides(output_stride):
    return {
        level: min(stride, output_stride)
        for level, stride in {"2": 4, "3": 8, "4": 16, "5": 32}.items()
    }


@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize("size", SIZES)
def test_endpoints_have_their_strides_rounded_up(size, output_stride):
    features = _backbone(output_stride)(images(*size))
    assert list(features) == ["2", "3", "4", "5"]
    for level, stride in _strides(output_stride).items():
        expected = tuple(-(-side // stride) for side in size)
        assert features[level].shape[1:3] == expected
        channels = 16 * 2 ** (int(level) - 2)
        assert features[level].shape[3] == channels
        assert np.all(features[level] >= 0)
        assert np.any(features[level] > 0)


@pytest.mark.parametrize("size", SIZES)
def test_levels_above_the_output_stride_agree(size):
    """The output stride changes nothing before it acts."""
    maps = {stride: _backbone(stride)(images(*size)) for stride in (8, 16, 32)}
    for one, other, levels in ((16, 32, "234"), (8, 16, "23")):
        for level in levels:
            np.testing.assert_array_equal(
                maps[one][level], maps[other][level], err_msg=level
            )


@pytest.mark.parametrize("size", SIZES)
def test_a_larger_output_stride_samples_the_first_block(size):
    """A block's stride only drops pixels, so the rest is the same."""
    maps = {stride: _backbone(stride)(images(*size)) for stride in (8, 16, 32)}
    for one, other, level in ((16, 32, "5"), (8, 16, "4")):
        expected = maps[one][level][:, ::2, ::2]
        assert_near(maps[other][level], expected, level)


def test_unknown_sizes_in_one_graph_equal_the_eager_values():
    backbone = _backbone(16)
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
    traced = tf.function(backbone, input_signature=[spec])
    for size in SIZES:
        expected = backbone(images(*size))
        for level, actual in traced(images(*size)).items():
            assert_near(actual, expected[level], level)


def test_images_are_normalised_whatever_their_type():
    pixels = [[[[0, 51, 255]]]]
    for dtype in (tf.uint8, tf.int32, tf.float16, tf.float32):
        normalised = normalize_images(tf.constant(pixels, dtype), "float32")
        assert normalised.dtype == tf.float32
        np.testing.assert_allclose(
            normalised, [[[[-1.0, -0.6, 1.0]]]], rtol=1e-6
        )
    half = normalize_images(tf.constant(pixels, tf.uint8), "bfloat16")
    assert half.dtype == tf.bfloat16


@pytest.mark.parametrize(
    "shape", [(8, 8, 3), (1, 8, 8, 1), (1, 8, 8, 4), (1, 0, 8, 3), (1, 8, 0, 3)]
)
def test_bad_images_are_named(shape):
    with pytest.raises(ValueError, match="height, width, 3.*got shape"):
        _backbone(16)(tf.zeros(shape))
