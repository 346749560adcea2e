"""Costs of small layers, counted by hand."""

import collections
import math

import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.costs.cost import Cost
from axial_deeplab.costs.layer_costs import BESIDE_PARTS, LEAVES
from axial_deeplab.layers.attention_options import AttentionOptions
from axial_deeplab.layers.axial_attention import AxialAttention
from axial_deeplab.layers.normalization import BatchNorm
from axial_deeplab.layers.residual import BottleneckBlock

layers = tf_keras.layers


def _cost(multiply_adds=0, elements=(), **parameters):
    return Cost(
        multiply_adds,
        collections.Counter(dict(elements)),
        collections.Counter(parameters),
    )


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
        _cost((3 * 4) * (9 * 2 * 4), kernel=9 * 2 * 4),
    ),
    "biased": (
        layers.Conv2D(4, 1),
        (1, 7, 9, 2),
        _cost((7 * 9) * (2 * 4), kernel=2 * 4, bias=4),
    ),
    "grouped": (
        layers.Conv2D(4, 3, groups=2, padding="same", use_bias=False),
        (1, 7, 9, 2),
        _cost((7 * 9) * (9 * 1 * 4), kernel=9 * 1 * 4),
    ),
    "depthwise": (
        layers.DepthwiseConv2D(5, padding="same", use_bias=False),
        (1, 7, 9, 2),
        _cost((7 * 9) * (25 * 2), kernel=25 * 2),
    ),
    "dense": (
        layers.Dense(10),
        (1, 6),
        _cost(6 * 10, kernel=6 * 10, bias=10),
    ),
    "pool": (
        layers.MaxPool2D(3, strides=2),
        (1, 7, 9, 2),
        _cost(elements={"max_pool": 3 * 4 * 2}),
    ),
    "norm": (BatchNorm(), (1, 7, 9, 2), _cost(norm=2 * 2)),
    # 15 pixels of 6 channels to 4 + 4 + 8; three terms of 4, two outputs of 8;
    # 5 keys in a column.
    "attention": (
        _attention(),
        (1, 5, 3, 6),
        _cost(
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
        _cost(
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
        _cost(
            15 * 6 * 16 + 15 * 5 * (2 * 4 + 8),
            {"logits": 15 * 5 * 2 * 2, "attention_norm": 15 * (16 + 8)},
            kernel=6 * 16,
            position=9 * 2,
            projection_norm=2 * 16,
            logit_norm=2 * 2 * 2,
            output_norm=2 * 8,
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_cost_is_the_one_counted_by_hand(case):
    layer, shape, cost = CASES[case]
    layer.build(tf.TensorShape(shape))
    assert LEAVES[type(layer)](layer, tf.TensorShape(shape)).cost == cost


@pytest.mark.parametrize("case", CASES)
def test_output_has_the_shape_that_the_layer_returns(case):
    layer, shape, _ = CASES[case]
    y = layer(tf.zeros(shape))
    assert LEAVES[type(layer)](layer, tf.TensorShape(shape)).output == y.shape


@pytest.mark.parametrize("case", CASES)
def test_every_trainable_weight_counts(case):
    layer, shape, cost = CASES[case]
    layer.build(tf.TensorShape(shape))
    count = sum(math.prod(weight.shape) for weight in layer.trainable_weights)
    assert cost.count() == count


def test_every_leaf_has_a_case():
    assert {type(layer) for layer, _, _ in CASES.values()} == set(LEAVES)


def test_residual_sums_count_beside_the_parts():
    block = BottleneckBlock(layers.Conv2D(4, 1), 4, 8)
    cost = BESIDE_PARTS[BottleneckBlock](block, tf.TensorShape((1, 5, 3, 8)))
    assert cost == _cost(elements={"residual": 5 * 3 * 8})
