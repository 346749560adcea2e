"""Axial attention in chunks equals the plain form that stores all logits."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers.plain_case import (
    CHANNELS,
    assert_same,
    build_ours,
    build_plain,
    inputs,
    results,
    short_name,
    some_zero,
)

# All weights are kept for the gradient, and nothing is cut.
LARGE = 10**9
# Lines of 26 are cut, and so are their queries.
SMALL = 20_000

# Rows, length, heads, span, max_distance and a budget that cuts.
CASES = [
    (3, 1, 2, None, 9, 1),
    (3, 2, 2, None, 9, 1),
    (3, 2, 2, 3, 1, 200),
    (7, 13, 1, None, 5, 6000),  # 7 lines, 13 queries: nothing divides
    (7, 13, 2, 1, 9, 10_000),
    (7, 13, 2, 15, 9, 9000),
    (3, 56, 2, 15, 255, 20_000),
    (3, 56, 2, None, 20, 30_000),
    (1, 193, 2, 65, 255, 100_000),
    (2, 193, 1, None, 100, 300_000),
    (3, 193, 2, None, 255, 3_500_000),  # some lines, all queries
    (1, 257, 2, 15, 255, 100_000),
    (1, 257, 2, None, 255, 300_000),
    (1, 1025, 1, None, 255, 10_000_000),
    (1, 1025, 2, 65, 255, 1_000_000),
]


@pytest.mark.parametrize(
    ("rows", "length", "heads", "span", "max_distance", "budget"), CASES
)
def test_equals_the_plain_form(rows, length, heads, span, max_distance, budget):
    options = {"heads": heads, "span": span, "max_distance": max_distance}
    x = inputs(1, rows, length)
    expected = results(build_plain(**options), x)
    for logits_bytes in (budget, LARGE):
        actual = results(build_ours(logits_bytes, **options), x)
        assert_same(actual, expected, some_zero(length, span, max_distance))


def _random_case(seed):
    rng = np.random.default_rng(seed)
    heads = int(rng.integers(1, 4))
    length = int(rng.integers(1, 60))
    sides = [*rng.integers(1, 4, size=2), length]
    if axis := rng.choice(["height", "width"]) == "height":
        sides[1:] = sides[:0:-1]
    options = {
        "filters": heads * int(rng.integers(1, 6)),
        "key_filters": heads * int(rng.integers(1, 6)),
        "heads": heads,
        "axis": "height" if axis else "width",
        "span": [None, 1, 3, 9, 31][rng.integers(5)],
        "max_distance": int(rng.integers(1, 70)),
    }
    # Small against the logits, but not so small that the test takes long.
    logits = heads * sides[0] * sides[1] * sides[2] * length
    return sides, options, int(logits * rng.uniform(1.0, 30.0))


@pytest.mark.parametrize("seed", range(20))
def test_equals_the_plain_form_for_any_shape(seed):
    sides, options, budget = _random_case(seed)
    x = inputs(*sides, seed=seed)
    expected = results(build_plain(**options), x)
    actual = results(build_ours(budget, **options), x)
    length = sides[1] if options["axis"] == "height" else sides[2]
    zero = some_zero(length, options["span"], options["max_distance"])
    assert_same(actual, expected, zero)


@pytest.mark.parametrize("span", [None, 5])
def test_a_graph_of_unknown_sizes_serves_all(span):
    options = {"span": span, "max_distance": 9}
    ours, plain = build_ours(SMALL, **options), build_plain(**options)
    weights = ours.get_weights()
    unknown = [None, None, None]
    specs = [tf.TensorSpec([*unknown, depth]) for depth in (CHANNELS, 8)]
    traced = {}

    def wrap(function):
        name = function.__name__
        if name not in traced:
            traced[name] = tf.function(function, input_signature=specs)
        return traced[name]

    for rows, length in ((3, 1), (2, 30), (5, 7)):
        for layer in (ours, plain):
            layer.set_weights(weights)
        x = inputs(1, rows, length)
        expected = results(plain, x)
        actual = results(ours, x, wrap)
        assert_same(actual, expected, some_zero(length, span, 9))


@pytest.mark.parametrize(("span", "budget"), [(None, SMALL), (5, LARGE)])
def test_graphs_of_known_sizes_equal_the_plain_form(span, budget):
    x = inputs(1, 3, 26)
    expected = results(build_plain(span=span), x)
    assert_same(
        results(build_ours(budget, span=span), x, tf.function), expected
    )


def test_compiled_graphs_equal_the_plain_form():
    x = inputs(1, 3, 26)
    expected = results(build_plain(span=5), x)
    actual = results(
        build_ours(SMALL, span=5),
        x,
        lambda function: tf.function(function, jit_compile=True),
    )
    assert_same(actual, expected)


def _silence(layer, terms):
    """Takes terms out of the plain form: their norms give zero."""
    rows = {"query": ("similarity_norm", 1), "key": ("similarity_norm", 2)}
    rows["value"] = ("output_norm", 1)
    for term in terms:
        name, row = rows[term]
        norm = getattr(layer, name)
        for weight in (norm.gamma, norm.beta):
            weight.assign(
                tf.tensor_scatter_nd_update(
                    weight, [[row]], tf.zeros([1, weight.shape[1]])
                )
            )


def _copy_common(source, target, without):
    """Weights by name; norms keep the rows of the terms in use."""
    kept = {
        "similarity_norm": [
            row
            for row, term in enumerate(("content", "query", "key"))
            if term not in without
        ],
        "output_norm": [0] if "value" in without else [0, 1],
    }
    values = {short_name(weight): weight for weight in source.weights}
    for weight in target.weights:
        name = short_name(weight)
        rows = kept.get(name.split("/")[0])
        value = values[name]
        weight.assign(value if rows is None else tf.gather(value, rows))
    return kept


@pytest.mark.parametrize(
    ("without", "span"),
    [
        (("query",), 5),
        (("key",), None),
        (("key",), 5),
        (("value",), None),
        (("query", "key", "value"), None),
        (("query", "key", "value"), 5),
    ],
)
def test_terms_left_out_equal_terms_that_are_zero(without, span):
    x = inputs(1, 3, 26)
    plain = build_plain(span=span)
    _silence(plain, without)
    terms = {name: False for name in without}
    ours = build_ours(SMALL, terms, span=span)
    kept = _copy_common(plain, ours, without)
    expected, actual = results(plain, x), results(ours, x)
    for name in list(expected):
        part = name.split("/")[1]
        if part.removesuffix("_position") in without:
            del expected[name]
        elif part in kept:
            expected[name] = tf.gather(expected[name], kept[part])
    assert_same(actual, expected)


@pytest.mark.parametrize("budget", [SMALL, LARGE])
@pytest.mark.parametrize("span", [None, 5])
def test_a_frozen_layer_uses_and_keeps_its_statistics(span, budget):
    x = inputs(1, 3, 26)
    layer = build_ours(budget, span=span)
    inferred = layer(x, training=False)
    layer.trainable = False
    before = layer.get_weights()
    frozen = layer(x, training=True)
    tf.nest.map_structure(
        np.testing.assert_array_equal, layer.get_weights(), before
    )
    np.testing.assert_allclose(
        frozen, inferred, atol=1e-5 * np.max(np.abs(inferred))
    )


def test_gradients_of_a_frozen_layer_reach_its_input():
    x = inputs(1, 3, 26)
    gradients = []
    for budget in (SMALL, LARGE):
        layer = build_ours(budget)
        layer.trainable = False
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) ** 2)
        gradients.append(tape.gradient(loss, x).numpy())
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(build_plain()(x, training=False) ** 2)
    expected = tape.gradient(loss, x).numpy()
    for gradient in gradients:
        error = np.max(np.abs(gradient - expected))
        assert error <= 1e-4 * np.max(np.abs(expected))


def test_gradients_of_tables_are_dense():
    x = inputs(1, 3, 26)
    for budget in (SMALL, LARGE):
        layer = build_ours(budget, span=5)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x, training=True))
        for gradient in tape.gradient(loss, layer.trainable_weights):
            assert isinstance(gradient, tf.Tensor)
