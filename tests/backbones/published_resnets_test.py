"""The plans of DeepLab2's published backbones, written out."""

import pytest

from axial_deeplab.backbones.published_resnets import PUBLISHED_RESNETS
from axial_deeplab.layers.axial_attention import AxialAttention2D
from axial_deeplab.layers.residual import BasicBlock

NAMES = ("max_deeplab_s", "axial_swidernet_1_1_1", "resnet_50_beta")


def _kind(block):
    if isinstance(block, BasicBlock):
        return "basic"
    axial = isinstance(block.spatial, AxialAttention2D)
    return "axial" if axial else "bottleneck"


@pytest.mark.parametrize("name", NAMES)
def test_kinds_of_blocks(name):
    backbone = PUBLISHED_RESNETS[name].build(output_stride=16)
    kinds = {k: [_kind(b) for b in v] for k, v in backbone.levels.items()}
    first = "basic" if "swidernet" in name else "bottleneck"
    counts = {"2": 3, "3": 4, "4": 6, "5": 3}
    if "swidernet" in name:
        counts = {"1": 3, "2": 3, "3": 6, "4": 3, "5": 3}
    expected = {k: [first] * n for k, n in counts.items()}
    if name != "resnet_50_beta":
        expected["4"][1:] = ["axial"] * (counts["4"] - 1)
        expected["5"] = ["axial"] * counts["5"]
    assert kinds == expected
    strides = {k: v[0].stride for k, v in backbone.levels.items()}
    # Behind a stem of stride 2; level "5" keeps the output stride.
    assert strides == {k: 1 if k in "15" else 2 for k in counts}


def test_sizes_of_attention():
    """Keys and values: width and twice it; in the wide nets twice those."""
    sizes = {}
    for name in NAMES[:2]:
        levels = PUBLISHED_RESNETS[name].build(output_stride=16).levels
        blocks = (levels["4"][-1], levels["5"][-1])
        sizes[name] = [
            (b.inner_filters, b.spatial.height.key_filters, b.filters)
            for b in blocks
        ]
    assert sizes["max_deeplab_s"] == [(512, 256, 1024), (1024, 512, 2048)]
    wide = sizes["axial_swidernet_1_1_1"]
    assert wide == [(1024, 512, 1024), (2048, 1024, 2048)]


def test_blocks_of_the_deeper_ones():
    counts = {
        name: PUBLISHED_RESNETS[name].blocks
        for name in ("axial_swidernet_1_1_3", "axial_swidernet_1_1_4.5")
    }
    assert counts["axial_swidernet_1_1_3"] == (3, 9, 18, 9, 9)
    assert counts["axial_swidernet_1_1_4.5"] == (3, 13, 27, 13, 13)
