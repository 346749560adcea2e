import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers import attention_ops
from axial_deeplab.layers.relative_position import (
    band,
    keys_to_offsets,
    pairs_inside,
)


class Case:
    """Random shapes, length and span, and the pairs they allow."""

    def __init__(self, seed, **fixed):
        rng = np.random.default_rng(seed)
        self.rows, self.heads = rng.integers(1, 5), rng.integers(1, 4)
        self.length = int(fixed.get("length", rng.integers(1, 9)))
        self.span = fixed.get("span", [None, 1, 3, 5, 17][seed % 5])
        depth, value_depth = rng.integers(1, 6, size=2)
        shape = (self.rows, self.heads, self.length, depth)
        self.query, self.key = rng.normal(0.3, 1.0, (2, *shape))
        self.window = {
            "query": rng.normal(0.3, 1.0, (2 * self.length, depth)),
            "key": rng.normal(0.3, 1.0, (2 * self.length, depth)),
            "value": rng.normal(size=(2 * self.length, value_depth)),
        }
        self.factors = {
            name: rng.normal(size=self.heads)
            for name in ("content", "query", "key")
        }
        reach = self.length if self.span is None else (self.span - 1) / 2
        self.pairs = [
            (q, k)
            for q, k in np.ndindex(self.length, self.length)
            if abs(k - q) <= reach
        ]

    def tensors(self):
        """query, key, windows, inside, mask as the functions take them."""
        windows = {
            name: _tensor(self.window[name]) for name in ("query", "key")
        }
        inside = pairs_inside(self.length, self.span)
        mask = None if self.span is None else band(self.length, self.span)
        return _tensor(self.query), _tensor(self.key), windows, inside, mask

    def terms(self):
        """[3, b, n, q, k]: content, query position, key position; else NaN."""
        shape = (3, self.rows, self.heads, self.length, self.length)
        terms = np.full(shape, np.nan)
        for b, n in np.ndindex(self.rows, self.heads):
            for q, k in self.pairs:
                query, key = self.query[b, n, q], self.key[b, n, k]
                row = k - q + self.length - 1
                terms[:, b, n, q, k] = (
                    query @ key,
                    query @ self.window["query"][row],
                    key @ self.window["key"][row],
                )
        return terms


def _tensor(x):
    return tf.constant(x, tf.float32)


seeds = pytest.mark.parametrize("seed", range(20))


@seeds
def test_moments_equal_sums_over_all_pairs(seed):
    case = Case(seed)
    terms = case.terms()
    moments = attention_ops.logit_moments(*case.tensors())
    total = np.nansum(terms, axis=(1, 3, 4))
    squares = np.nansum(terms**2, axis=(1, 3, 4))
    # Sums of mixed signs: measure against the sum of the absolute values.
    scale = np.nansum(np.abs(terms), axis=(1, 3, 4)).max()
    np.testing.assert_allclose(moments.total, total, atol=1e-5 * scale)
    np.testing.assert_allclose(moments.square_total, squares, rtol=1e-4)
    assert float(moments.count) == case.rows * len(case.pairs)


@seeds
def test_weights_equal_a_softmax_over_the_allowed_keys(seed):
    case = Case(seed)
    query, key, windows, _, mask = case.tensors()
    factors = {name: _tensor(x) for name, x in case.factors.items()}
    scales = np.stack([case.factors[n] for n in ("content", "query", "key")])
    logits = (case.terms() * scales[:, None, :, None, None]).sum(axis=0)
    expected = np.exp(logits - np.nanmax(logits, -1, keepdims=True))
    expected = np.nan_to_num(expected)
    expected /= expected.sum(-1, keepdims=True)
    actual = attention_ops.attention_weights(
        query, key, factors, windows, case.length, mask
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)
    outside = expected == 0
    np.testing.assert_array_equal(actual.numpy()[outside], 0.0)


@pytest.mark.parametrize("used", [(), ("query",), ("key",)])
def test_terms_can_be_left_out(used):
    case = Case(3)
    query, key, windows, inside, mask = case.tensors()
    windows = {name: windows[name] for name in used}
    moments = attention_ops.logit_moments(query, key, windows, inside, mask)
    every = attention_ops.logit_moments(*case.tensors())
    rows = [0] + [1 + ("query", "key").index(name) for name in used]
    np.testing.assert_array_equal(moments.total, tf.gather(every.total, rows))
    names = ("content", "query", "key")
    factors = {
        name: _tensor(case.factors[name] * (name in ("content", *used)))
        for name in names
    }
    actual, expected = (
        attention_ops.attention_weights(
            query, key, factors, parts, case.length, mask
        )
        for parts in (windows, case.tensors()[2])
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7)


@seeds
def test_retrieved_position_equals_loops(seed):
    case = Case(seed)
    rng = np.random.default_rng(seed)
    shape = (case.rows, case.heads, case.length, case.length)
    weights, window = rng.random(shape), case.window["value"]
    expected = np.zeros((*shape[:3], window.shape[1]))
    for q, k in np.ndindex(case.length, case.length):
        row = window[k - q + case.length - 1]
        expected[:, :, q] += weights[:, :, q, k, np.newaxis] * row
    actual = attention_ops.retrieve_position(
        _tensor(weights), _tensor(window), case.length
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("span", [None, 5])
def test_gradients_of_the_moments_equal_those_of_the_logits(span):
    """The closed form in place of the logits must train the same."""
    case = Case(3, span=span, length=6)
    query, key, windows, inside, mask = case.tensors()
    sources = [query, key, windows["query"], windows["key"]]
    probe = tf.random.stateless_normal([2, 3, case.heads], [1, 2])

    def closed():
        moments = attention_ops.logit_moments(query, key, windows, inside, mask)
        return tf.stack([moments.total, moments.square_total])

    def stored():
        logits = _stored_logits(query, key, windows, case.length)
        if mask is not None:
            logits *= tf.cast(mask, tf.float32)
        sums = [tf.reduce_sum(x, [1, 3, 4]) for x in (logits, logits**2)]
        return tf.stack(sums)

    gradients = []
    for moments in (closed, stored):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            loss = tf.reduce_sum(moments() * probe)
        gradients.append(tape.gradient(loss, sources))
    for actual, expected in zip(*gradients, strict=True):
        expected = tf.convert_to_tensor(expected).numpy()
        scale = np.abs(expected).max()
        np.testing.assert_allclose(actual, expected, atol=1e-5 * scale)


def _stored_logits(query, key, windows, length):
    """[3, b, n, q, k] by gathering a table row for each pair."""
    position = tf.range(length)
    rows = position - position[:, tf.newaxis] + length - 1
    return tf.stack(
        [
            tf.einsum("bnqd,bnkd->bnqk", query, key),
            tf.einsum(
                "bnqd,qkd->bnqk", query, tf.gather(windows["query"], rows)
            ),
            tf.einsum("bnkd,qkd->bnqk", key, tf.gather(windows["key"], rows)),
        ]
    )


def test_large_logits_stay_finite():
    case = Case(3, span=3, length=5)
    query, key, windows, _, mask = case.tensors()
    factors = {name: tf.fill([case.heads], 1e4) for name in case.factors}
    weights = attention_ops.attention_weights(
        query, key, factors, windows, case.length, mask
    )
    np.testing.assert_allclose(tf.reduce_sum(weights, -1), 1.0, rtol=1e-5)
    beyond = keys_to_offsets(weights, 5).numpy()[..., [0, 1, 2, 6, 7, 8, 9]]
    np.testing.assert_array_equal(beyond, 0.0)
