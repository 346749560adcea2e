import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.attention_ops import attend
from tests.golden import assert_close_to_largest
from tests.layers.line_case import (
    TERMS,
    by_pair,
    random_lines,
    random_windows,
    stored_terms,
    tensor,
    with_places,
)

# Lines and queries one by one, both cut, lines cut, nothing cut.
BUDGETS = [1, 2500, 9000, 10**9]


def _stored(lines, windows):
    """`attend` in plain ops."""
    queries, keys = lines.query.shape[1], lines.key.shape[1]
    factors = [lines.factors.get("content", 1.0)]
    factors += [lines.factors[x] for x in TERMS if x in lines.factors]
    terms = stored_terms(lines, windows)
    logits = sum(x * f for x, f in zip(terms, factors, strict=True))
    for name in set(windows) - {"value"}:
        used = name in lines.factors
        depth = lines.by_place(name).shape[2] if used else 0
        if windows[name].shape[1] == depth:
            continue
        mask = by_pair(windows[name], queries, keys)[..., -1]
        if name in lines.masks:
            of_key = tf.transpose(lines.masks[name], [1, 2, 0])
            mask = mask * of_key
        logits += mask
    weights = tf.nn.softmax(logits)
    outputs = {"content": tf.einsum("nqk,nke->nqe", weights, lines.value)}
    if "value" in windows:
        pairs = by_pair(windows["value"], queries, keys)
        outputs["position"] = tf.einsum("nqk,qkd->qnd", weights, pairs)
    return outputs


def _case(count=7, queries=7, keys=7, used=("query", "key", "value"), seed=3):
    rng = np.random.default_rng(seed)
    terms = tuple(name for name in used if name != "value")
    lines = random_lines(rng, count, queries, keys, terms=terms)
    depths = {name: 5 if name == "value" else 3 for name in used}
    return lines, random_windows(rng, queries + keys - 1, depths)


def _masked_case(used=("query", "key", "value")):
    """A block of a span: more keys than queries, columns for the masks."""
    lines, windows = _case(queries=5, keys=9, used=used)
    rng = np.random.default_rng(4)
    column = tensor(rng.normal(size=(13, 1)))
    for name in ("query", "key"):
        parts = [windows[name], column] if name in windows else [column]
        windows[name] = tf.concat(parts, axis=1)
    mask = tensor(rng.normal(size=(9, 7, 1)))
    return lines._replace(masks={"key": mask}), windows


def _placed_case():
    """The terms multiply something else than queries and keys, not as deep."""
    lines, windows = _masked_case()
    rng = np.random.default_rng(5)
    lines = with_places(rng, lines, 2)
    # Two columns of embeddings, and that of the mask.
    cut = {name: windows[name][:, 1:] for name in TERMS}
    return lines, windows | cut


def _no_content_factor(case=_case):
    lines, windows = case()
    factors = {x: lines.factors[x] for x in TERMS if x in lines.factors}
    return lines._replace(factors=factors), windows


CASES = {
    "all terms": _case,
    "one line": lambda: _case(count=1),
    "one key": lambda: _case(queries=1, keys=1),
    "no terms": lambda: _case(used=()),
    "query": lambda: _case(used=("query",)),
    "key": lambda: _case(used=("key",)),
    "value": lambda: _case(used=("value",)),
    "masks": _masked_case,
    "masks only": lambda: _masked_case(used=()),
    "masks and value": lambda: _masked_case(used=("value",)),
    "places": _placed_case,
    "no content factor": _no_content_factor,
    "no factors": lambda: _no_content_factor(lambda: _case(used=())),
}


def _assert_near(actual, expected, what):
    tf.nest.assert_same_structure(actual, expected)
    for one, other in zip(
        tf.nest.flatten(actual), tf.nest.flatten(expected), strict=True
    ):
        # Logits of one key have no gradient but rounding.
        floor = np.max(np.abs(other)) < 1e-5
        if floor:
            np.testing.assert_allclose(one, other, atol=1e-5, err_msg=what)
        else:
            assert_close_to_largest(one, other, 1e-5, what)


def _outputs_and_gradients(function, lines, windows):
    """Outputs, and gradients of all but the masks."""
    sources = (lines._replace(masks={}), windows)
    with tf.GradientTape() as tape:
        tape.watch(sources)
        outputs = function(lines, windows)
        loss = 0.0
        for name, x in sorted(outputs.items()):
            rng = np.random.default_rng(len(name))
            loss += tf.reduce_sum(x * tensor(rng.normal(size=x.shape)))
    return outputs, tape.gradient(loss, sources)


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("case", CASES)
def test_equals_stored_logits_and_their_gradients(case, budget):
    lines, windows = CASES[case]()
    expected, of_expected = _outputs_and_gradients(_stored, lines, windows)
    actual, of_actual = _outputs_and_gradients(
        lambda *x: attend(*x, budget, training=True), lines, windows
    )
    _assert_near(actual, expected, "outputs")
    _assert_near(of_actual, of_expected, "gradients")


@pytest.mark.parametrize("budget", BUDGETS)
def test_gradients_do_not_need_the_kept_weights(budget):
    lines, windows = _masked_case()
    kept, anew = (
        _outputs_and_gradients(
            lambda *x, training=training: attend(*x, budget, training),
            lines,
            windows,
        )
        for training in (True, False)
    )
    _assert_near(anew, kept, "recomputed")


@pytest.mark.parametrize("count", [1, 2, 5, 11, 12])
@pytest.mark.parametrize("queries", [1, 2, 5, 11, 12])
def test_chunks_need_not_divide(count, queries):
    lines, windows = _case(count=count, queries=queries, keys=6)
    actual = attend(lines, windows, 3000, training=False)
    _assert_near(actual, _stored(lines, windows), "outputs")


def test_static_depths_are_known_in_graphs_of_unknown_sizes():
    lines, windows = _case()
    unknown = tf.nest.map_structure(
        lambda x: tf.TensorSpec([None, None, x.shape[2]]), lines
    )
    traced = tf.function(
        lambda lines: attend(lines, windows, 2500, training=True),
        input_signature=[unknown],
    )
    shapes = tf.nest.map_structure(
        lambda x: x.as_list(), traced.get_concrete_function().output_shapes
    )
    assert shapes == {"content": [None, None, 4], "position": [None, None, 5]}
    _assert_near(traced(lines), _stored(lines, windows), "outputs")


@pytest.mark.parametrize("budget", BUDGETS)
def test_large_logits_stay_finite(budget):
    lines, windows = _masked_case()
    factors = {name: 1e4 * x for name, x in lines.factors.items()}
    lines = lines._replace(factors=factors, value=tf.ones_like(lines.value))
    outputs = attend(lines, windows, budget, training=False)
    np.testing.assert_allclose(outputs["content"], 1.0, rtol=1e-6)
    assert np.all(np.isfinite(outputs["position"]))
