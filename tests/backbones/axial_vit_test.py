import dataclasses

import numpy as np
import pytest

from axial_deeplab import create_model
from axial_deeplab.backbones.axial_vit import AXIAL_VITS
from axial_deeplab.layers.axial_transformer import (
    AxialTransformerBlock,
)
from axial_deeplab.layers.group_norm import ChannelNorm
from axial_deeplab.layers.non_local import NonLocalBlock
from tests.backbones import level_case
from tests.layers.layer_case import check_config, check_saving, randomize
from tests.models.tiny_axial_vits import TINY
from tests.models.tiny_models import SIZES, assert_near, images


@pytest.fixture(scope="module")
def backbone():
    model = TINY.build()
    model(images(8, 8))
    randomize(model)
    return model


def _blocks(backbone):
    return {
        layer.name: layer
        for layers in backbone.levels.values()
        for layer in layers
        if isinstance(layer, AxialTransformerBlock)
    }


@pytest.mark.parametrize("size", SIZES)
def test_levels_have_their_strides(size, backbone):
    for level, x in backbone(images(*size)).items():
        sides = [-(-side // 2 ** int(level)) for side in size]
        assert x.shape == (2, *sides, TINY.channels[int(level) - 2])
        assert np.all(np.isfinite(x))


@pytest.mark.parametrize("stride", [8, 16])
def test_levels_keep_to_the_output_stride(stride):
    backbone = TINY.build(output_stride=stride)
    for level, x in backbone(images(33, 40)).items():
        kept = min(2 ** int(level), stride)
        assert x.shape[1:3] == (-(-33 // kept), -(-40 // kept))


def test_a_level_is_a_norm_and_the_next_starts_from_it(backbone):
    level_case.check_ends(backbone, ChannelNorm)


def test_images_of_any_batch_are_independent(backbone):
    both = images(33, 40)
    for index in (0, 1):
        alone = backbone(both[index : index + 1])
        for level, x in backbone(both).items():
            assert_near(alone[level][0], x[index], level)


def test_everything_reaches_the_blocks():
    blocks = _blocks(TINY.build(drop_path=0.4, recompute=True))
    rates = [block.drop_path for block in blocks.values()]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    heads = [block.options.heads for block in blocks.values()]
    assert [one.heads for one in heads] == [2, 3, 3, 4, 5]
    assert {one.max_distance for one in heads} == {5}
    assert all(block.recompute for block in blocks.values())
    orders = {name: block.options.order for name, block in blocks.items()}
    assert orders.pop("res3_block0") == "window"
    assert set(orders.values()) == {"row_column"}


def test_the_row_says_what_nobody_says():
    blocks = _blocks(AXIAL_VITS["axial_vit_tiny"].build())
    assert [block.options.heads.heads for block in blocks.values()] == [
        *(1, 1, 2, 2, 4, 4, 4, 4, 8, 8)
    ]
    assert blocks["res5_block1"].drop_path == 0.1


def test_width_and_non_local_blocks():
    spec = dataclasses.replace(TINY, width=2.0, non_local=("res5_block0",))
    backbone = spec.build()
    assert backbone(images(9, 9))["5"].shape[-1] == 20
    kinds = [type(layer) for layer in backbone.levels["5"]]
    assert kinds[2] is NonLocalBlock


def test_it_is_saved(backbone):
    check_config(backbone)
    check_saving(backbone, images(17, 20))


def test_a_plan_is_an_option_of_the_models(monkeypatch):
    """Also of those around the backbone; it adds to that of the row."""
    plan = {
        "res4_block2": {"order": "column_row", "skip": ["row"], "heads": 2},
        "res2_block1": {"relative": "scalar", "share_projections": True},
    }
    monkeypatch.setattr(
        "axial_deeplab.layers.image_model.ImageModel.build",
        lambda self, input_shape: None,
    )
    for name in ("axial_vit_tiny", "semantic_axial_vit_tiny"):
        blocks = _blocks(create_model(name, plan=plan).backbone)
        options = blocks["res4_block2"].options
        assert (options.passes, options.heads.heads) == (("column",), 2)
        options = blocks["res2_block1"].options
        assert options.share_projections
        assert options.heads.relative == "scalar"
        assert blocks["res4_block1"].options.passes == ("row", "column")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("axial_vit_tiny", {"plan": {"res6_block0": {}}}, "from 'res2_block0'"),
        (
            "axial_vit_tiny",
            {"plan": {"res2_block0": {"span": 3}}},
            "Unknown option span of block 'res2_block0' in `plan`; .*window",
        ),
        ("axial_vit_tiny", {"span": 3}, "`span` is an option of axial"),
        ("axial_resnet_xs", {"plan": {}}, "`plan` is an option of axial"),
        ("mscan_t", {"plan": {}}, "`plan` is an option of axial"),
        (
            "semantic_axial_vit_tiny",
            {"scales": "all"},
            "`scales` is an option of MSCANs.*got all",
        ),
    ],
)
def test_other_options_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        create_model(name, **options)
