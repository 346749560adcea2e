import pytest

from axial_deeplab.backbones.xception import (
    XCEPTIONS,
    XceptionSpec,
    build_xception,
)
from axial_deeplab.layers.non_local import NonLocalBlock
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.xception_block import XceptionBlock
from tests.models.tiny_models import SIZES, assert_near, images, settle

TINY = XceptionSpec(middle_blocks=1, width=1 / 32)
CHANNELS = {"2": 8, "3": 23, "4": 23, "5": 64}


@pytest.fixture(scope="module")
def backbones():
    """By output stride, all with the same weights."""
    norm = NormOptions(momentum=0.0)
    found = {
        stride: build_xception(TINY, stride, norm=norm) for stride in (16, 32)
    }
    weights = settle(found[16]).get_weights()
    found[32](images(8, 8))
    found[32].set_weights(weights)
    return found


def _plan(backbone):
    """Filters, stride and dilation of the blocks by level."""
    return {
        level: [
            (block.filters, block.stride, block.dilation)
            for block in blocks
            if isinstance(block, XceptionBlock)
        ]
        for level, blocks in backbone.levels.items()
    }


def test_the_published_plan_at_stride_16():
    backbone = XCEPTIONS["xception_71"].build(output_stride=16)
    assert _plan(backbone) == {
        "2": [((128,) * 3, 2, 1), ((256,) * 3, 1, 1)],
        "3": [((256,) * 3, 2, 1), ((728,) * 3, 1, 1)],
        "4": [((728,) * 3, 2, 1)] + 16 * [((728,) * 3, 1, 1)],
        "5": [((728, 1024, 1024), 1, 1)],
    }
    ends = backbone.levels["5"][1:]
    assert [layer.filters for layer in ends] == [1536, 1536, 2048]
    assert {layer.dilation for layer in ends} == {2}
    assert all(layer.activation for layer in ends)


def test_everything_reaches_the_blocks():
    norm = NormOptions(momentum=0.5)
    spec = XceptionSpec(1, 1 / 32, non_local=("res4_block1",))
    backbone = spec.build(8, drop_path=0.6, norm=norm, recompute=True)
    dilations = [[row[2] for row in rows] for rows in _plan(backbone).values()]
    assert dilations == [[1, 1], [1, 1], [1, 2], [2]]
    assert isinstance(backbone.levels["4"][2], NonLocalBlock)
    layers = [layer for k in "2345" for layer in backbone.levels[k]]
    assert {layer.norm for layer in layers} == {norm}
    blocks = [layer for layer in layers if isinstance(layer, XceptionBlock)]
    rates = [block.drop_path for block in blocks]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert all(block.recompute for block in blocks)


@pytest.mark.parametrize("size", SIZES)
def test_levels_have_their_strides(size, backbones):
    for output_stride, backbone in backbones.items():
        for level, x in backbone(images(*size)).items():
            stride = min(2 ** int(level), output_stride)
            sides = [-(-side // stride) for side in size]
            assert x.shape == (2, *sides, CHANNELS[level])


@pytest.mark.parametrize("size", SIZES)
def test_dilated_features_hold_those_of_larger_strides(size, backbones):
    fine, coarse = (backbones[k](images(*size))["5"] for k in (16, 32))
    assert_near(coarse, fine[:, ::2, ::2])
