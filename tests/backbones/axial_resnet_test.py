import pytest
import tensorflow as tf

from axial_deeplab.backbones.axial_resnet import (
    AXIAL_RESNETS,
    ResNetSpec,
    build_resnet,
)
from axial_deeplab.layers.mixers import AxialMixer
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.stems import deeplab_stem

SPEC = ResNetSpec(
    blocks=(1, 2, 1, 1),
    width=1 / 16,
    mixer=AxialMixer(heads=2, span=3, max_distance=5),
)


def test_rows_are_the_papers():
    rows = {
        name: (row.blocks, row.width) for name, row in AXIAL_RESNETS.items()
    }
    deep = (3, 4, 6, 3)
    assert rows == {
        "axial_resnet_26_s": ((1, 2, 4, 1), 0.5),
        "axial_resnet_s": (deep, 0.5),
        "axial_resnet_m": (deep, 0.75),
        "axial_resnet_l": (deep, 1.0),
        "axial_resnet_xl": (deep, 2.0),
    }
    assert all(row.mixer == AxialMixer() for row in AXIAL_RESNETS.values())


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
