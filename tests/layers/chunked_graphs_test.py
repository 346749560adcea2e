"""Size of the graphs of axial attention, and of the tensors in them."""

import pytest
import tensorflow as tf

from tests.layers import graph_case
from tests.layers.plain_case import CHANNELS, build_ours

FLOAT_BYTES = 4


def _graph(rows, length, budget, training=True, **options):
    """Nodes of inference, or of a training step with its gradients."""
    layer = build_ours(budget, **options)

    def infer(x):
        return layer(x, training=False)

    def train(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) ** 2)
        return tape.gradient(loss, [x, *layer.trainable_weights])

    spec = tf.TensorSpec([1, rows, length, CHANNELS])
    return graph_case.nodes(train if training else infer, spec)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("span", "budgets"), [(None, (100_000, 2000)), (15, (30_000, 1000))]
)
def test_graph_does_not_grow_with_the_chunks(span, budgets, training):
    few, many = (
        _graph(8, 64, budget, training, span=span) for budget in budgets
    )
    assert graph_case.loops(few) == graph_case.loops(many) > 1
    # A chunk that does not divide adds its filling up, once.
    assert len(many) <= len(few) + 20


def test_graph_does_not_grow_with_the_rows():
    few, many = (_graph(rows, 64, 100_000, span=15) for rows in (8, 80))
    assert len(few) == len(many)


def test_the_budget_decides_what_is_cut():
    loops = [
        graph_case.loops(_graph(8, 64, budget, training=False))
        for budget in (10**7, 10**6, 10**4)
    ]
    assert loops == [0, 1, 2]  # nothing, lines, lines and queries


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("rows", "length", "span", "budget"),
    [
        (16, 64, None, 200_000),
        (16, 64, 31, 200_000),
        (2, 193, None, 200_000),
        (1, 512, None, 200_000),  # one long row
        (1, 512, 15, 100_000),
        (1, 512, 301, 1_000_000),  # blocks of 150 queries, 450 keys
    ],
)
def test_no_tensor_is_larger_than_the_budget(
    rows, length, span, budget, training
):
    graph = _graph(
        rows, length, budget, training, heads=4, max_distance=33, span=span
    )
    largest, what = graph_case.largest(graph)
    assert rows * 4 * length**2 > 4 * budget / FLOAT_BYTES  # would be seen
    assert largest <= budget / FLOAT_BYTES, what
    # No size escapes the walk.
    assert all(-1 not in sides for _, sides in graph_case.sizes(graph))
