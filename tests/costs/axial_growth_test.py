"""How the cost of attention grows with the map, and what skips it."""

import pytest
import tensorflow as tf

from axial_deeplab.backbones.backbone import Backbone
from axial_deeplab.costs.dry_run import count_costs
from axial_deeplab.costs.layer_costs import LEAVES
from axial_deeplab.layers.axial_heads import AxialHeads
from axial_deeplab.layers.axial_transformer import (
    AxialTransformerBlock,
    TransformerOptions,
)
from axial_deeplab.layers.head_ops import HeadOptions
from axial_deeplab.layers.stems import token_stem
from axial_deeplab.layers.window_heads import WindowHeads

CHANNELS, PLAIN = 4, HeadOptions(2, None, max_distance=8)


def _attention(kind, height, width, relative=None):
    """Multiply-adds of the passes of one block, without projections."""
    options = HeadOptions(2, relative, max_distance=8)
    passes = {
        "axial": [AxialHeads("width", options), AxialHeads("height", options)],
        "window": [WindowHeads(8, options)],
        "full": [WindowHeads(None, options)],
    }[kind]
    shape = tf.TensorShape([1, height, width, 3 * CHANNELS])
    return sum(
        LEAVES[type(heads)](heads, shape).cost.multiply_adds for heads in passes
    )


@pytest.mark.parametrize("relative", [None, "scalar", "vector"])
@pytest.mark.parametrize(
    ("kind", "factor"), [("axial", 8), ("full", 16), ("window", 4)]
)
def test_doubling_the_side_multiplies(kind, factor, relative):
    small, large = (_attention(kind, n, n, relative) for n in (32, 64))
    assert large == factor * small


@pytest.mark.parametrize(("height", "width"), [(64, 64), (128, 128), (24, 40)])
def test_grows_with_places_times_sides(height, width):
    places = height * width
    axial, full, window = (
        _attention(kind, height, width) for kind in ("axial", "full", "window")
    )
    assert axial == 2 * places * (height + width) * CHANNELS
    assert full == 2 * places**2 * CHANNELS
    assert window == 2 * places * 8**2 * CHANNELS
    assert full / axial == places / (height + width)


def _total(*options):
    """Multiply-adds of an 8x12 map through blocks, behind a stem."""
    blocks = [
        AxialTransformerBlock(CHANNELS, TransformerOptions(heads=PLAIN, **one))
        for one in options
    ]
    model = Backbone(token_stem(CHANNELS), {"2": blocks})
    model.build((None, None, None, 3))
    return count_costs(model, (32, 48)).total.multiply_adds


@pytest.fixture(scope="module")
def block():
    """What a block costs; the stem apart."""
    stem = _total({"skip": ("row", "column")}) - 8 * 12 * 8 * CHANNELS**2
    return lambda *options: _total(*options) - stem


def test_a_block_costs_its_projections_and_passes(block):
    places, squared = 8 * 12, CHANNELS**2
    row, column = 2 * places * 12 * CHANNELS, 2 * places * 8 * CHANNELS
    projections, feed = 4 * places * squared, 8 * places * squared
    both = block({"order": "row_column"})
    assert both == 2 * projections + feed + row + column
    assert block({"order": "column_row"}) == both
    assert block({"share_projections": True}) == both
    assert block({"order": "row"}) == projections + feed + row
    assert block({"skip": ("row",)}) == projections + feed + column


def test_a_stack_costs_the_sum_of_its_layers(block):
    layers = [{"order": "window", "window": 4}, {}, {"order": "full"}]
    assert block(*layers) == sum(block(one) for one in layers)
