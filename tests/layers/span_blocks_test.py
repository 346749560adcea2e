import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers import span_blocks
from axial_deeplab.layers.attention_ops import attend
from axial_deeplab.layers.relative_position import offset_window
from tests.layers.line_case import (
    allowed_pairs,
    random_lines,
    random_windows,
    stored_terms,
    tensor,
)

# Length and span of lines with several blocks; 36 is two even blocks of 18.
FRAMED = [(17, 1), (33, 5), (32, 1), (40, 17), (36, 3), (56, 37), (193, 65)]
framed = pytest.mark.parametrize(("length", "span"), FRAMED)
# One block: nothing to mask, or all keys in one.
WHOLE = [(1, None), (9, None), (1, 1), (5, 9), (9, 3), (16, 1), (20, 5)]


def _lines(length, terms=("query", "key")):
    rng = np.random.default_rng(3)
    return random_lines(rng, 4, length, length, terms=terms)


def _random(*shape, seed=3):
    return tensor(np.random.default_rng(seed).normal(size=shape))


@framed
def test_blocks_are_shorter_than_the_line(length, span):
    layout = span_blocks.plan_layout(length, span)
    assert layout.framed and layout.reach == (span - 1) // 2
    assert layout.keys == layout.queries + 2 * layout.reach < length


@pytest.mark.parametrize(("length", "span"), WHOLE)
def test_short_lines_are_one_block(length, span):
    layout = span_blocks.plan_layout(length, span)
    assert not layout.framed
    assert layout.queries == layout.keys == layout.length == length
    everything = span is None or (span - 1) // 2 >= length - 1
    assert (layout.reach is None) == everything


@framed
def test_keys_of_a_block_equal_loops(length, span):
    layout = span_blocks.plan_layout(length, span)
    x = _random(2, length, 3)
    blocks = -(-length // layout.queries)
    expected = np.zeros((2, blocks, layout.keys, 3), np.float32)
    for block, place in np.ndindex(blocks, layout.keys):
        key = block * layout.queries + place - layout.reach
        if 0 <= key < length:
            expected[:, block, place] = x[:, key]
    actual = span_blocks.frame_keys(x, layout)
    np.testing.assert_array_equal(actual, expected.reshape(-1, layout.keys, 3))


@framed
@pytest.mark.parametrize("known", [True, False])
def test_joined_blocks_are_the_lines_again(length, span, known):
    lines = {
        "content": _random(2, length, 3),
        "position": _random(2, length, 4),
    }

    def there_and_back(lines):
        sides = tf.shape(lines["content"])
        layout = span_blocks.plan_layout(length if known else sides[1], span)
        blocks = {
            name: span_blocks.frame_queries(x, layout)
            for name, x in lines.items()
        }
        blocks["position"] = tf.transpose(blocks["position"], [1, 0, 2])
        return span_blocks.join_blocks(blocks, layout)

    unknown = {
        name: tf.TensorSpec([None, None, x.shape[2]])
        for name, x in lines.items()
    }
    run = tf.function(there_and_back, input_signature=[unknown])
    joined = there_and_back(lines) if known else run(lines)
    np.testing.assert_array_equal(joined["content"], lines["content"])
    np.testing.assert_array_equal(
        tf.transpose(joined["position"], [1, 0, 2]), lines["position"]
    )


@pytest.mark.parametrize(("length", "span"), FRAMED + WHOLE)
def test_offsets_are_those_of_the_window(length, span):
    layout = span_blocks.plan_layout(length, span)
    offsets = layout.offsets()
    for query, key in np.ndindex(layout.queries, layout.keys):
        place = key - (layout.reach if layout.framed else 0)
        row = key - query + layout.queries - 1
        assert offsets[row] == place - query


def _weights(lines, table, length, span, known=True):
    """What each query gives each key: [n, L, L]."""
    values = tf.eye(length, batch_shape=[lines.query.shape[0]])
    lines = lines._replace(value=values)

    def attention(lines):
        size = length if known else tf.shape(lines.query)[1]
        layout = span_blocks.plan_layout(size, span)
        windows = {
            name: offset_window(x, layout.offsets())
            for name, x in table.items()
        }
        retrieved = attend(
            span_blocks.cut_lines(lines, layout),
            span_blocks.mask_windows(windows, layout),
            30_000,
            training=False,
        )
        return span_blocks.join_blocks(retrieved, layout)["content"]

    if known:
        return attention(lines)
    unknown = tf.nest.map_structure(
        lambda x: tf.TensorSpec([None, None, x.shape[2]]), lines
    )
    return tf.function(attention, input_signature=[unknown])(lines)


@pytest.mark.parametrize(("length", "span"), FRAMED[:-1] + WHOLE)
@pytest.mark.parametrize("terms", [(), ("query", "key")])
def test_weights_are_a_softmax_over_the_allowed_keys(length, span, terms):
    _check_weights(length, span, terms, known=True)


@pytest.mark.parametrize(("length", "span"), [(40, 17), (5, 9), (9, 3), (1, 1)])
def test_masks_need_no_known_length(length, span):
    """Then a line is framed however short it is."""
    _check_weights(length, span, ("query", "key"), known=False)


def _check_weights(length, span, terms, known):
    rng = np.random.default_rng(4)
    lines = _lines(length, terms)
    table = random_windows(rng, 2 * length - 1, dict.fromkeys(terms, 3))
    logits = sum(
        term * lines.factors[name]
        for name, term in zip(
            ("content", *terms), stored_terms(lines, table), strict=True
        )
    )
    allowed = allowed_pairs(length, span)
    expected = tf.nn.softmax(tf.where(allowed, logits, -np.inf))
    actual = _weights(lines, table, length, span, known).numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(actual[:, ~allowed], 0.0)


def test_masks_hold_against_large_logits():
    length, span = 40, 17
    rng = np.random.default_rng(4)
    lines = _lines(length)
    factors = {name: 1e4 * x for name, x in lines.factors.items()}
    table = random_windows(rng, 79, {"query": 3, "key": 3})
    weights = _weights(lines._replace(factors=factors), table, length, span)
    np.testing.assert_allclose(tf.reduce_sum(weights, -1), 1.0, rtol=1e-6)
    beyond = weights.numpy()[:, ~allowed_pairs(length, span)]
    np.testing.assert_array_equal(beyond, 0.0)
