import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.logit_statistics import logit_moments, moments_of
from axial_deeplab.layers.span_blocks import plan_layout
from tests.golden import assert_close_to_largest
from tests.layers.line_case import (
    TERMS,
    allowed_pairs,
    random_lines,
    random_windows,
    stored_terms,
    tensor,
)

SPANS = [None, 1, 3, 5, 17]


class Case:
    """Random lines, length and span, and the pairs they allow."""

    def __init__(self, seed, terms=TERMS, **fixed):
        rng = np.random.default_rng(seed)
        self.rows, self.heads = (int(x) for x in rng.integers(1, 5, size=2))
        # Every other case is long enough for blocks.
        lengths = (1, 9) if seed % 2 else (33, 50)
        self.length = fixed.get("length", int(rng.integers(*lengths)))
        self.span = fixed.get("span", SPANS[seed // 2 % 5])
        depth = int(rng.integers(1, 6))
        size = (self.rows * self.heads, self.length, self.length)
        self.lines = random_lines(rng, *size, depth=depth, terms=terms)
        depths = dict.fromkeys(terms, depth)
        self.windows = random_windows(rng, 2 * self.length - 1, depths)
        self.allowed = allowed_pairs(self.length, self.span)

    def moments(self, budget=10**6, dynamic=False):
        def moments(lines, windows):
            length = tf.shape(lines.query)[1] if dynamic else self.length
            layout = plan_layout(length, self.span)
            return logit_moments(
                *lines[:2], windows, layout, self.heads, budget
            )

        if not dynamic:
            return moments(self.lines, self.windows)
        unknown = tf.nest.map_structure(
            lambda x: tf.TensorSpec([None] * (len(x.shape) - 1) + x.shape[-1:]),
            (self.lines, self.windows),
        )
        traced = tf.function(moments, input_signature=list(unknown))
        return traced(self.lines, self.windows)

    def stored(self):
        """Sums [terms, heads] of the logits, their size and their square."""
        terms = tf.stack(stored_terms(self.lines, self.windows))
        terms *= tensor(self.allowed)
        shape = [len(terms), self.rows, self.heads, -1]
        terms = tf.reshape(terms, shape)
        return [
            tf.reduce_sum(x, [1, 3])
            for x in (terms, tf.abs(terms), tf.square(terms))
        ]


def _assert_near(moments, case):
    total, size, squares = case.stored()
    # Sums of mixed signs: measure against the sum of the absolute values.
    np.testing.assert_array_less(
        np.abs(moments.total - total), 1e-5 * size + 1e-6
    )
    np.testing.assert_allclose(moments.square_total, squares, rtol=1e-5)
    assert float(moments.count) == case.rows * np.sum(case.allowed)


@pytest.mark.parametrize("seed", range(20))
def test_moments_equal_sums_over_all_pairs(seed):
    case = Case(seed)
    _assert_near(case.moments(), case)


@pytest.mark.parametrize("length", [5, 40])
@pytest.mark.parametrize("span", [None, 5])
def test_moments_need_no_known_sizes(span, length):
    case = Case(3, span=span, length=length)
    _assert_near(case.moments(budget=3000, dynamic=True), case)


@pytest.mark.parametrize("length", [6, 40])
@pytest.mark.parametrize("budget", [1, 20_000])
def test_moments_under_a_span_do_not_depend_on_the_budget(budget, length):
    case = Case(3, span=5, length=length)
    _assert_near(case.moments(budget), case)


@pytest.mark.parametrize("length", [6, 40])
@pytest.mark.parametrize(
    ("span", "budget"),
    [(None, 1), (1, 1), (3, 20_000), (5, 20_000), (17, 10**6)],
)
def test_gradients_equal_those_of_the_logits(span, budget, length):
    """The closed form in place of the logits must train the same."""
    case = Case(3, span=span, length=length)
    lines = case.lines
    sources = [lines.query, lines.key, case.windows]
    probes = tf.random.stateless_normal([2, 3, case.heads], [1, 2])

    def closed():
        moments = case.moments(budget)
        return moments.total, moments.square_total

    def stored():
        total, _, squares = case.stored()
        return total, squares

    gradients = []
    for sums in (closed, stored):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            loss = tf.reduce_sum(tf.stack(sums()) * probes)
        gradients.append(tf.nest.flatten(tape.gradient(loss, sources)))
    for actual, expected in zip(*gradients, strict=True):
        assert_close_to_largest(actual, expected, 1e-5)


@pytest.mark.parametrize("span", [None, 1, 15])
def test_long_lines_lose_no_digits(span):
    """All offsets share one embedding: what a span leaves out is large."""
    length = 1025
    rng = np.random.default_rng(3)
    lines = random_lines(rng, 2, length, length, terms=("query",))
    windows = {"query": tf.fill([2 * length - 1, 3], 0.7)}
    moments = logit_moments(
        *lines[:2],
        windows,
        plan_layout(length, span),
        heads=1,
        logits_bytes=10**6,
    )
    query = np.asarray(lines.query, np.float64)
    logits = np.float64(np.float32(0.7)) * query.sum(2)
    pairs = allowed_pairs(length, span).sum(1)
    for actual, values in (
        (moments.total, logits),
        (moments.square_total, logits**2),
    ):
        size = np.sum(np.abs(values) * pairs)
        assert abs(actual[1, 0] - np.sum(values * pairs)) <= 1e-5 * size


@pytest.mark.parametrize("terms", [(), ("query",), ("key",)])
def test_terms_can_be_left_out(terms):
    case = Case(3, terms=terms, span=5, length=40)
    moments = case.moments()
    assert moments.total.shape == (1 + len(terms), case.heads)
    _assert_near(moments, case)


def test_moments_of_maps_are_those_of_their_pixels():
    rng = np.random.default_rng(3)
    maps = rng.normal(size=(2, 3, 4, 5, 6))  # two maps
    moments = moments_of([tensor(x) for x in maps])
    pixels = maps.reshape(2, 60, 6)
    np.testing.assert_allclose(moments.total, pixels.sum(1), atol=1e-5)
    np.testing.assert_allclose(
        moments.square_total, (pixels**2).sum(1), rtol=1e-5
    )
    assert float(moments.count) == 60
