import dataclasses

import numpy as np
import pytest

from axial_deeplab.backbones.mscan import MSCANS, NORM, MSCANSpec
from axial_deeplab.layers.group_norm import ChannelNorm
from axial_deeplab.layers.mscan_block import MSCANBlock
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.scale_attention import (
    LARGE_KERNEL,
    ScaleOptions,
)
from tests.backbones import level_case
from tests.layers.layer_case import check_config, check_saving
from tests.models.tiny_models import SIZES, assert_near, images, settle
from tests.reference import convolution as reference
from tests.reference.scale_attention import gelu

TINY = MSCANSpec(
    channels=(4, 6, 8, 10),
    blocks=(1, 2, 1, 1),
    ratios=(2, 2, 1, 1),
    scales=ScaleOptions(strips=(3, 5)),
)


@pytest.fixture(scope="module")
def backbone():
    return settle(TINY.build(norm=NormOptions(momentum=0.0)))


def _blocks(backbone):
    return [
        layer
        for layers in backbone.levels.values()
        for layer in layers
        if isinstance(layer, MSCANBlock)
    ]


def test_everything_reaches_the_blocks():
    norm = NormOptions(momentum=0.5)
    spec = dataclasses.replace(TINY, scales=LARGE_KERNEL)
    blocks = _blocks(spec.build(drop_path=0.4, norm=norm, recompute=True))
    rates = [block.drop_path for block in blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert [block.ratio for block in blocks] == [2, 2, 2, 1, 1]
    assert {block.norm for block in blocks} == {norm}
    assert {block.options for block in blocks} == {LARGE_KERNEL}
    assert all(block.recompute for block in blocks)


def test_the_row_says_what_nobody_says():
    blocks = _blocks(MSCANS["mscan_l"].build())
    assert len(blocks) == 38
    assert blocks[-1].drop_path == 0.3
    assert {block.norm for block in blocks} == {NORM}
    assert (NORM.momentum, NORM.epsilon) == (0.9, 1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_levels_have_their_strides(size, backbone):
    for level, x in backbone(images(*size)).items():
        sides = [-(-side // 2 ** int(level)) for side in size]
        assert x.shape == (2, *sides, TINY.channels[int(level) - 2])


def test_a_level_is_a_norm_and_the_next_starts_from_it(backbone):
    level_case.check_ends(backbone, ChannelNorm)


def test_stem_equals_slow_loops(backbone):
    pixels = backbone.pixels
    x = (images(6, 7).numpy() - pixels.mean) / pixels.deviation
    actual = backbone.stem(x.astype(np.float32))
    for embedding in backbone.stem.convolutions:
        conv = embedding.conv
        x = reference.convolution(x, conv.kernel, stride=2) + conv.bias.numpy()
        norm = embedding.batch_norm
        weights = norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance
        x = reference.batch_norm(x, weights, epsilon=norm.options.epsilon)
        if embedding.activation:
            x = gelu(x)
    assert_near(actual, x)


def test_images_are_normalised_with_their_statistics(backbone):
    """The mean colour is zero, which padding is too."""
    mean = np.broadcast_to(backbone.pixels.mean, (1, 9, 9, 3))
    zero = backbone.stem(np.zeros((1, 9, 9, 3), np.float32))
    for layer in backbone.levels["2"]:
        zero = layer(zero)
    assert_near(backbone(mean.astype(np.float32))["2"], zero)


def test_it_is_saved(backbone):
    check_config(backbone)
    check_saving(backbone, images(17, 20))
