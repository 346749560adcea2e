import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.backbones.resnet import RESNETS, ResNetSpec, build_resnet
from axial_deeplab.layers.mixers import AxialMixer, ConvMixer
from axial_deeplab.layers.non_local import NonLocalBlock
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.stems import deeplab_stem
from tests.models.tiny_models import SIZES, assert_near, images, settle

SPEC = ResNetSpec(
    blocks=(1, 2, 1, 1),
    width=1 / 16,
    mixer=AxialMixer(heads=2, span=3, max_distance=5),
)


CONV_SPEC = ResNetSpec(
    blocks=(1, 1, 2, 2), width=1 / 16, stem=deeplab_stem, mixer=ConvMixer()
)


def test_convolutional_rows_are_the_papers():
    rows = {name: row.blocks for name, row in RESNETS.items()}
    assert rows == {
        "resnet_26": (1, 2, 4, 1),
        "resnet_38": (2, 3, 5, 2),
        "resnet_50": (3, 4, 6, 3),
        "resnet_101": (3, 4, 23, 3),
    }
    for row in RESNETS.values():
        assert (row.mixer, row.width) == (ConvMixer(), 1.0)


@pytest.fixture(scope="module")
def convolutional():
    """By output stride, all with the same weights."""
    backbones = {
        stride: build_resnet(CONV_SPEC, stride, norm=NormOptions(momentum=0.0))
        for stride in (8, 16, 32)
    }
    weights = settle(backbones[8]).get_weights()
    for stride in (16, 32):
        backbones[stride](images(8, 8))
        backbones[stride].set_weights(weights)
    return backbones


@pytest.mark.parametrize("size", SIZES)
def test_dilated_features_hold_those_of_larger_strides(size, convolutional):
    """Every second pixel is what the strided backbone computes."""
    maps = {k: model(images(*size)) for k, model in convolutional.items()}
    for fine, coarse, level in ((16, 32, "5"), (8, 16, "4"), (8, 16, "5")):
        sampled = maps[fine][level][:, ::2, ::2]
        assert_near(maps[coarse][level], sampled, level)
    for level in "234":
        np.testing.assert_array_equal(maps[16][level], maps[32][level], level)


def test_dilation_reaches_the_convolutions(convolutional):
    rates = {
        stride: [
            block.spatial.dilation
            for level in "45"
            for block in model.levels[level]
        ]
        for stride, model in convolutional.items()
    }
    assert rates == {32: [1, 1, 1, 1], 16: [1, 1, 1, 2], 8: [1, 2, 2, 4]}


def test_non_local_blocks_stand_behind_the_named_blocks():
    norm = NormOptions(momentum=0.5)
    spec = ResNetSpec(
        blocks=(1, 1, 2, 1),
        width=1 / 16,
        mixer=ConvMixer(),
        non_local=("res5_block0", "res4_block0"),
    )
    backbone = spec.build(norm=norm)
    names = [block.name for block in backbone.levels["4"]]
    assert names == ["res4_block0", "res4_block0_non_local", "res4_block1"]
    added = [
        block
        for blocks in backbone.levels.values()
        for block in blocks
        if isinstance(block, NonLocalBlock)
    ]
    assert [block.norm for block in added] == [norm, norm]
    features = backbone(images(9, 9))
    assert features["5"].shape == (2, 1, 1, 128)
    assert added[1].qkv_kernel.shape == (128, 3 * 64)


def test_unknown_blocks_are_named():
    spec = ResNetSpec(
        blocks=(1, 1, 1, 1), mixer=ConvMixer(), non_local=("res4_block1", "x")
    )
    with pytest.raises(ValueError) as error:
        build_resnet(spec)
    assert "got res4_block1, x" in f"{error.value}"
    assert "'res2_block0' to 'res5_block0'" in f"{error.value}"


def test_everything_reaches_the_blocks():
    norm = NormOptions(momentum=0.5)
    backbone = build_resnet(SPEC, output_stride=16, drop_path=0.4, norm=norm)
    blocks = [b for level in backbone.levels.values() for b in level]
    assert [block.name for block in blocks] == [
        "res2_block0",
        "res3_block0",
        "res3_block1",
        "res4_block0",
        "res5_block0",
    ]
    assert [block.stride for block in blocks] == [1, 2, 1, 2, 1]
    assert [block.filters for block in blocks] == [16, 32, 32, 64, 128]
    assert [block.inner_filters for block in blocks] == [8, 16, 16, 32, 64]
    rates = [block.drop_path for block in blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    for block in blocks:
        assert block.spatial.stride == block.stride
        for attention in (block.spatial.height, block.spatial.width):
            assert (attention.span, attention.heads) == (3, 2)
            assert attention.norm == block.norm == norm


@pytest.mark.parametrize(("stem_width", "channels"), [(None, 4), (0.25, 16)])
def test_the_stem_may_have_a_width_of_its_own(stem_width, channels):
    spec = ResNetSpec(
        blocks=(1, 1, 1, 1),
        width=1 / 16,
        stem=deeplab_stem,
        stem_width=stem_width,
        mixer=AxialMixer(heads=2),
    )
    stem = build_resnet(spec).stem
    stem(tf.zeros([1, 8, 8, 3]))
    assert stem.convolutions[0].conv.kernel.shape[3] == channels
