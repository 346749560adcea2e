"""Costs of small layers, counted by hand."""

import math

import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.costs.layer_costs import (
    BESIDE_PARTS,
    LEAVES,
    residual_sum,
)
from axial_deeplab.layers.attention_options import (
    STAND_ALONE,
    AttentionOptions,
)
from axial_deeplab.layers.attention_stem import AttentionStem
from axial_deeplab.layers.axial_attention import AxialAttention
from axial_deeplab.layers.local_attention import LocalAttention2D
from axial_deeplab.layers.mscan_block import MSCANBlock
from axial_deeplab.layers.non_local import NonLocalBlock
from axial_deeplab.layers.normalization import BatchNorm
from axial_deeplab.layers.switchable_conv import SwitchableConv
from tests.costs.segnext_cases import SEGNEXT_CASES, cost
from tests.costs.transformer_cases import TRANSFORMER_CASES

layers = tf_keras.layers


def _attention(span=None, **options):
    return AxialAttention(
        *(8, 4, "height"),
        heads=2,
        span=span,
        max_distance=5,
        options=AttentionOptions(**options),
    )


# Layer, shape of its input, cost.
CASES = {
    "convolution": (
        layers.Conv2D(4, 3, strides=2, use_bias=False),
        (1, 7, 9, 2),
        cost((3 * 4) * (9 * 2 * 4), kernel=9 * 2 * 4),
    ),
    "biased": (
        layers.Conv2D(4, 1),
        (1, 7, 9, 2),
        cost((7 * 9) * (2 * 4), kernel=2 * 4, bias=4),
    ),
    "grouped": (
        layers.Conv2D(4, 3, groups=2, padding="same", use_bias=False),
        (1, 7, 9, 2),
        cost((7 * 9) * (9 * 1 * 4), kernel=9 * 1 * 4),
    ),
    "depthwise": (
        layers.DepthwiseConv2D(5, padding="same", use_bias=False),
        (1, 7, 9, 2),
        cost((7 * 9) * (25 * 2), kernel=25 * 2),
    ),
    "dense": (
        layers.Dense(10),
        (1, 6),
        cost(6 * 10, kernel=6 * 10, bias=10),
    ),
    # Both rates, the switch, and the products with it and with one minus it.
    "switchable": (
        SwitchableConv(4),
        (1, 7, 9, 2),
        cost(
            (7 * 9) * (2 * 9 * 2 * 4 + 2),
            {"product": 2 * 7 * 9 * 4},
            kernel=9 * 2 * 4 + 2,
            bias=1,
        ),
    ),
    "switchable, strided": (
        SwitchableConv(4, stride=2),
        (1, 7, 9, 2),
        cost((4 * 5) * (9 * 2 * 4), kernel=9 * 2 * 4),
    ),
    "pool": (
        layers.MaxPool2D(3, strides=2),
        (1, 7, 9, 2),
        cost(elements={"max_pool": 3 * 4 * 2}),
    ),
    "norm": (
        BatchNorm(),
        (1, 7, 9, 2),
        cost(elements={"norm": 7 * 9 * 2}, norm=2 * 2),
    ),
    # 15 pixels of 6 channels to 4 + 4 + 8; three terms of 4, two outputs of 8;
    # 5 keys in a column.
    "attention": (
        _attention(),
        (1, 5, 3, 6),
        cost(
            15 * 6 * 16 + 15 * 5 * (3 * 4 + 2 * 8),
            {"logits": 15 * 5 * 2 * 3, "attention_norm": 15 * (16 + 2 * 8)},
            kernel=6 * 16,
            position=9 * (2 + 2 + 4),
            projection_norm=2 * 16,
            logit_norm=2 * 3 * 2,
            output_norm=2 * 2 * 8,
        ),
    ),
    # Charged for 7 keys, though a column has 5.
    "span": (
        _attention(span=7),
        (1, 5, 3, 6),
        cost(
            15 * 6 * 16 + 15 * 7 * (3 * 4 + 2 * 8),
            {"logits": 15 * 7 * 2 * 3, "attention_norm": 15 * (16 + 2 * 8)},
            kernel=6 * 16,
            position=9 * (2 + 2 + 4),
            projection_norm=2 * 16,
            logit_norm=2 * 3 * 2,
            output_norm=2 * 2 * 8,
        ),
    ),
    "fewer_terms": (
        _attention(key=False, value=False),
        (1, 5, 3, 6),
        cost(
            15 * 6 * 16 + 15 * 5 * (2 * 4 + 8),
            {"logits": 15 * 5 * 2 * 2, "attention_norm": 15 * (16 + 8)},
            kernel=6 * 16,
            position=9 * 2,
            projection_norm=2 * 16,
            logit_norm=2 * 2 * 2,
            output_norm=2 * 8,
        ),
    ),
    # 9 keys in a window, whatever the stride; tables of 3 rows.
    "local": (
        LocalAttention2D(8, heads=2, window=3, stride=2),
        (1, 5, 3, 6),
        cost(
            15 * 6 * 24 + 15 * 9 * (3 * 8 + 2 * 8),
            {"logits": 15 * 9 * 2 * 3, "attention_norm": 15 * (24 + 2 * 8)},
            kernel=6 * 24,
            position=3 * 3 * 4,
            projection_norm=2 * 24,
            logit_norm=2 * 3 * 2,
            output_norm=2 * 2 * 8,
        ),
    ),
    # A table for each of two heads; only the output has a norm.
    "stand_alone": (
        LocalAttention2D(8, heads=2, window=3, options=STAND_ALONE),
        (1, 5, 3, 6),
        cost(
            15 * 6 * 24 + 15 * 9 * (2 * 8 + 8),
            {"logits": 15 * 9 * 2 * 2, "attention_norm": 15 * 8},
            kernel=6 * 24,
            position=3 * 2 * 4,
            output_norm=2 * 8,
        ),
    ),
    # Three mixtures of values; 16 keys in a block; 2x2 pooled pixels.
    "stem": (
        AttentionStem(8, heads=2, mixtures=3),
        (1, 5, 6, 3),
        cost(
            30 * (2 + 3) * (3 * 8) + 30 * 16 * (8 + 8),
            {
                "logits": 30 * 16 * 2,
                "max_pool": 2 * 2 * 8,
                "norm": 30 * 8,
            },
            kernel=(2 + 3) * (3 * 8),
            position=(4 + 4 + 3) * 4,
            norm=2 * 8,
        ),
    ),
    "non_local": (
        NonLocalBlock(2),
        (1, 5, 3, 4),
        cost(
            15 * 4 * 6 + 15 * 15 * (2 + 2) + 15 * 2 * 4,
            {"logits": 15 * 15, "residual": 15 * 4, "norm": 15 * 4},
            kernel=4 * 6 + 2 * 4,
            norm=2 * 4,
        ),
    ),
}
CASES |= SEGNEXT_CASES | TRANSFORMER_CASES

every_case = pytest.mark.parametrize("case", CASES)


def _charged(layer, shape):
    """With its parts, whose layers are leaves."""
    _, charged, parts = LEAVES[type(layer)](layer, tf.TensorShape(shape))
    for part, inner in parts:
        leaves = [part]
        if type(part) not in LEAVES:
            (norm,) = (x for x in part.submodules if "norm" in x.name)
            leaves = [part.conv, norm]
        for leaf in leaves:
            charged += _charged(leaf, inner)
            inner = LEAVES[type(leaf)](leaf, inner).output
    return charged


@every_case
def test_cost_is_the_one_counted_by_hand(case):
    layer, shape, expected = CASES[case]
    layer(tf.zeros(shape))
    assert _charged(layer, shape) == expected


@every_case
def test_output_has_the_shape_that_the_layer_returns(case):
    layer, shape, _ = CASES[case]
    y = layer(tf.zeros(shape))
    assert LEAVES[type(layer)](layer, tf.TensorShape(shape)).output == y.shape


@every_case
def test_every_trainable_weight_counts(case):
    layer, shape, expected = CASES[case]
    layer(tf.zeros(shape))
    count = sum(math.prod(weight.shape) for weight in layer.trainable_weights)
    assert expected.count() == count


def test_every_leaf_has_a_case():
    # Blocks of many layers are counted by hand in segnext_costs_test.py.
    found = {type(layer) for layer, _, _ in CASES.values()} | {MSCANBlock}
    assert found == set(LEAVES)


SUMS = [kind for kind, cost in BESIDE_PARTS.items() if cost is residual_sum]


@pytest.mark.parametrize("kind", SUMS, ids=lambda c: c.__name__)
def test_residual_sums_count_beside_the_parts(kind):
    charged = BESIDE_PARTS[kind](None, tf.zeros((1, 5, 3, 8)))
    assert charged == cost(elements={"residual": 5 * 3 * 8})
