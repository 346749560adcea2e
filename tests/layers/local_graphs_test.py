"""Size of the graphs of attention in windows, and of their tensors."""

import dataclasses

import pytest
import tensorflow as tf

from axial_deeplab.layers.attention_options import (
    POSITION_SENSITIVE,
    STAND_ALONE,
)
from axial_deeplab.layers.attention_stem import AttentionStem
from axial_deeplab.layers.local_attention import LocalAttention2D
from tests.layers import graph_case

FLOAT_BYTES = 4
CHANNELS, HEADS, FILTERS = 4, 4, 16


def _local(limit, options=POSITION_SENSITIVE):
    options = dataclasses.replace(options, logits_bytes=limit)
    return LocalAttention2D(FILTERS, HEADS, window=7, options=options)


def _graph(layer, height, width, training=True):
    """Nodes of inference, or of a training step with its gradients."""
    layer(tf.zeros([1, 1, 1, CHANNELS]))

    def infer(x):
        return layer(x, training=False)

    def train(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) ** 2)
        return tape.gradient(loss, [x, *layer.trainable_weights])

    spec = tf.TensorSpec([2, height, width, CHANNELS])
    return graph_case.nodes(train if training else infer, spec)


@pytest.mark.parametrize(
    "build", [_local, lambda limit: AttentionStem(16, 4, logits_bytes=limit)]
)
def test_graph_does_not_grow_with_the_tiles(build):
    few = _graph(build(700_000), 28, 56)
    many = _graph(build(200_000), 56, 112)
    assert graph_case.loops(few) == graph_case.loops(many) > 1
    # A tile that does not divide adds its filling up, once.
    assert len(many) <= len(few) + 20


def test_the_budget_decides_what_is_cut():
    loops = [
        graph_case.loops(_graph(_local(limit), 28, 28, training=False))
        for limit in (10**9, 10**7, 10**5)
    ]
    assert loops == [0, 1, 2]  # nothing, rows, rows and columns


@pytest.mark.parametrize("options", [STAND_ALONE, POSITION_SENSITIVE])
def test_no_tensor_of_a_training_step_is_larger_than_the_budget(options):
    height, width, limit = 48, 80, 3_000_000
    graph = _graph(_local(limit, options), height, width)
    largest, what = graph_case.largest(graph)
    # Windows of all pixels would be seen, even those of one head.
    assert 2 * height * width * 49 * FILTERS // HEADS > limit // FLOAT_BYTES
    assert largest <= limit // FLOAT_BYTES, what
    # No size escapes the walk, but for lists of axes.
    assert all(
        -1 not in sides
        for op, sides in graph_case.sizes(graph)
        if op != "BroadcastGradientArgs"
    )
