import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.backbones.local_resnet import (
    PS_ATTENTION_RESNETS,
    SASA_RESNETS,
)
from axial_deeplab.backbones.resnet import ResNetSpec
from axial_deeplab.layers.attention_options import STAND_ALONE
from axial_deeplab.layers.attention_stem import attention_stem
from axial_deeplab.layers.mixers import LocalMixer
from axial_deeplab.layers.stems import imagenet_stem
from tests.layers.layer_case import check_config, check_saving
from tests.models.tiny_models import SIZES, assert_near, images, settle


def test_rows_are_the_papers():
    (row,) = PS_ATTENTION_RESNETS.values()
    assert row == ResNetSpec(mixer=LocalMixer())
    blocks = {26: (1, 2, 4, 1), 38: (2, 3, 5, 2), 50: (3, 4, 6, 3)}
    stems = {"": imagenet_stem, "_attention_stem": attention_stem}
    mixer = LocalMixer(options=STAND_ALONE)
    normed = dataclasses.replace(STAND_ALONE, norms=True)
    assert SASA_RESNETS == {
        f"sasa_resnet_{layers}{end}": ResNetSpec(number, stem=stem, mixer=mixer)
        for layers, number in blocks.items()
        for end, stem in stems.items()
    } | {"sasa_resnet_50_bn": ResNetSpec(mixer=LocalMixer(options=normed))}


@pytest.fixture(scope="module")
def backbone():
    spec = ResNetSpec(
        blocks=(1, 1, 1, 1),
        width=1 / 16,
        stem=attention_stem,
        mixer=LocalMixer(heads=2, span=5, options=STAND_ALONE),
    )
    return settle(spec.build(output_stride=16))


def test_everything_reaches_the_blocks(backbone):
    blocks = [b for level in backbone.levels.values() for b in level]
    assert [block.spatial.stride for block in blocks] == [1, 2, 2, 1]
    assert [block.spatial.filters for block in blocks] == [4, 8, 16, 32]
    for block in blocks:
        assert block.inner_filters == block.spatial.filters
        assert (block.spatial.heads, block.spatial.window) == (2, 5)


def test_it_is_saved(backbone):
    check_config(backbone)
    check_saving(backbone, images(17, 20))


def test_unknown_sizes_in_one_graph_equal_the_eager_values(backbone):
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
    traced = tf.function(backbone, input_signature=[spec])
    for size in SIZES:
        expected = backbone(images(*size))
        assert all(np.any(x != 0) for x in expected.values())
        for level, actual in traced(images(*size)).items():
            assert_near(actual, expected[level], level)
