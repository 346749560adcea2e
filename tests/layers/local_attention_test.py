import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.attention_options import (
    POSITION_SENSITIVE,
    STAND_ALONE,
    LocalOptions,
)
from axial_deeplab.layers.local_attention import LocalAttention2D
from tests.layers.layer_case import check_layer, randomize
from tests.layers.plain_case import (
    CHANNELS,
    assert_same,
    inputs,
    results,
    short_name,
)
from tests.reference import local_attention as reference
from tests.reference.plain_local_attention import PlainLocalAttention

FORMS = {"stand-alone": STAND_ALONE, "position-sensitive": POSITION_SENSITIVE}
MIXED_FORMS = {
    "key term, own tables": LocalOptions(query=False, shared_tables=False),
    "no values, no norms": LocalOptions(value=False, norms=False),
    "content": LocalOptions(query=False, key=False),
}
# One block at a time, and all at once.
ONE_BLOCK, ALL_BLOCKS = 1, 2**40

both_forms = pytest.mark.parametrize("options", FORMS.values(), ids=FORMS)


def _build(options, kind=LocalAttention2D, limit=None, **arguments):
    """A layer with random weights, three channels a head."""
    if limit is not None:
        options = dataclasses.replace(options, logits_bytes=limit)
    layer = kind(6, heads=2, options=options, **arguments)
    layer(tf.zeros([1, 1, 1, CHANNELS]))
    randomize(layer)
    return layer


def _expected(layer, x, training, **arguments):
    weights = {short_name(weight): weight.numpy() for weight in layer.weights}
    return reference.local_attention(
        x, weights, heads=2, training=training, **arguments
    )


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", [(5, 6), (1, 1), (2, 9)])
@both_forms
def test_equals_slow_loops(options, size, training):
    layer, x = _build(options, window=5), inputs(2, *size)
    expected = _expected(layer, x, training)
    actual = layer(x, training=training)
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("options", MIXED_FORMS.values(), ids=MIXED_FORMS)
def test_terms_and_norms_are_independent(options, training):
    layer, x = _build(options, window=3), inputs(2, 4, 5)
    if "query" in layer._terms or "key" in layer._terms:
        expected = _expected(layer, x, training)
    else:  # the loops find the window in a table of the logits
        plain = _build(options, PlainLocalAttention, window=3)
        expected = plain(x, training=training)
    actual = layer(x, training=training)
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", [(4, 6), (5, 3)])
@both_forms
def test_a_stride_averages_what_is_retrieved(options, size, training):
    layer, x = _build(options, window=3, stride=2), inputs(2, *size)
    expected = _expected(layer, x, training, stride=2)
    actual = layer(x, training=training)
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-5)
    assert actual.shape[1:3] == tuple(-(-side // 2) for side in size)


@pytest.mark.parametrize("limit", [ONE_BLOCK, ALL_BLOCKS])
@both_forms
def test_all_gradients_equal_those_of_the_plain_form(options, limit):
    x = inputs(2, 9, 14)
    expected = results(_build(options, PlainLocalAttention, window=7), x)
    actual = results(_build(options, limit=limit, window=7), x)
    assert_same(actual, expected)


@pytest.mark.parametrize("window", [1, 3, 15])
def test_gradients_of_other_windows(window):
    """One pixel; less than a block; more than the map has pixels."""
    x = inputs(2, 5, 6)
    options = POSITION_SENSITIVE
    expected = results(_build(options, PlainLocalAttention, window=window), x)
    for limit in (ONE_BLOCK, ALL_BLOCKS):
        actual = results(_build(options, limit=limit, window=window), x)
        assert_same(actual, expected, some_zero=window == 1)


def test_a_graph_of_unknown_sizes_serves_all():
    options = POSITION_SENSITIVE
    ours = _build(options, limit=200_000, window=3)
    plain = _build(options, PlainLocalAttention, window=3)
    weights = ours.get_weights()
    unknown = [None, None, None]
    specs = [tf.TensorSpec([*unknown, depth]) for depth in (CHANNELS, 6)]
    traced = {}

    def wrap(function):
        name = function.__name__
        if name not in traced:
            traced[name] = tf.function(function, input_signature=specs)
        return traced[name]

    for shape in ((1, 1, 2), (2, 7, 12)):
        for layer in (ours, plain):
            layer.set_weights(weights)
        x = inputs(*shape)
        assert_same(results(ours, x, wrap), results(plain, x))


@both_forms
def test_windows_that_cover_the_map_are_global_attention(options):
    """Every output depends on every pixel, and no larger window adds to it."""
    x = inputs(1, 4, 5)
    layer, larger = (_build(options, window=window) for window in (9, 13))
    larger.set_weights(
        [
            np.pad(value, [(2, 2), (0, 0), (0, 0)])
            if value.ndim == 3
            else value
            for value in layer.get_weights()
        ]
    )
    for training in (False, True):
        np.testing.assert_allclose(
            larger(x, training=training),
            layer(x, training=training),
            rtol=1e-5,
            atol=1e-5,
        )
    for row, column in ((0, 0), (3, 4)):
        moved = x.numpy()
        moved[0, row, column] += 1.0
        assert np.all(np.any(layer(moved) != layer(x), axis=-1))


def test_a_window_ignores_what_lies_beyond_it():
    layer = _build(POSITION_SENSITIVE, window=5, limit=ONE_BLOCK)
    x = inputs(2, 9, 11).numpy()
    before = layer(x).numpy()
    x[1, 4, 3] += 1.0
    changed = np.argwhere(np.any(layer(x).numpy() != before, axis=-1))
    expected = [[1, h, w] for h in range(2, 7) for w in range(1, 6)]
    np.testing.assert_array_equal(changed, expected)


def test_a_compiled_graph_equals_the_plain_form():
    x = inputs(2, 5, 9)
    options = STAND_ALONE
    expected = results(_build(options, PlainLocalAttention, window=3), x)
    actual = results(
        _build(options, limit=200_000, window=3),
        x,
        lambda function: tf.function(function, jit_compile=True),
    )
    assert_same(actual, expected)


def test_layer_contract():
    """Of the position-sensitive form; the other is in `LAYER_CASES`."""
    layer = LocalAttention2D(8, heads=2, window=3, stride=2)
    check_layer(layer, inputs(2, 6, 7))


@pytest.mark.parametrize(
    ("policy", "dtype", "rounding"),
    [
        ("mixed_bfloat16", tf.bfloat16, 2.0**-8),
        ("mixed_float16", tf.float16, 2.0**-11),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_only_the_projection_and_the_output_are_half(
    policy, dtype, rounding, training
):
    """Products of small whole numbers are exact; half logits would not be."""
    rng = np.random.default_rng(3)
    x = tf.constant(rng.integers(-2, 3, (1, 6, 7, CHANNELS)), tf.float32)
    outputs = []
    for name in ("float32", policy):
        layer = _build(STAND_ALONE, window=5, dtype=name)
        layer.qkv_kernel.assign(tf.round(4.0 * layer.qkv_kernel) / 4.0)
        layer.query_position.assign(30.0 * layer.query_position)
        outputs.append(layer(x, training=training))
    expected, actual = outputs
    assert actual.dtype == dtype
    np.testing.assert_allclose(
        tf.cast(actual, tf.float32), expected, rtol=rounding, atol=2e-5
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": 3}, "must divide"),
        ({"heads": 8}, "at least twice"),
        ({"window": 4}, "odd"),
        ({"window": -1}, "odd"),
        ({"stride": 3}, "1 or 2; got 3"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        LocalAttention2D(8, **({"heads": 2} | arguments))
