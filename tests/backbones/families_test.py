"""Every kind of backbone is a model like the others: saved, of any size."""

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.backbones.resnet import ResNetSpec
from axial_deeplab.backbones.xception import XceptionSpec
from axial_deeplab.layers.mixers import ConvMixer
from tests.layers.layer_case import check_config, check_saving
from tests.models.tiny_models import SIZES, assert_near, images, settle

SPECS = {
    "blocks as the stem": ResNetSpec(
        blocks=(2, 1, 1, 1, 1), width=1 / 16, stem=None, mixer=ConvMixer()
    ),
    "non-local blocks": ResNetSpec(
        blocks=(1, 1, 2, 2),
        width=1 / 16,
        mixer=ConvMixer(),
        non_local=("res3_block0", "res5_block1"),
    ),
    "xception": XceptionSpec(middle_blocks=1, width=1 / 32),
}


@pytest.fixture(scope="module", params=SPECS)
def backbone(request):
    return settle(SPECS[request.param].build(output_stride=16))


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
