"""Random lines with the logits that attention does not store."""

import numpy as np
import tensorflow as tf

from axial_deeplab.layers.line_attention import Lines, Terms

TERMS = ("query", "key")


def tensor(x: np.ndarray) -> tf.Tensor:
    return tf.constant(x, tf.float32)


def random_lines(
    rng: np.random.Generator,
    count: int,
    queries: int,
    keys: int,
    depth: int = 3,
    value_depth: int = 4,
    terms: tuple[str, ...] = TERMS,
) -> Lines:
    """Lines with a factor for each of the position terms and for content."""

    def normal(*shape):
        return tensor(rng.normal(0.2, 1.0, shape))

    return Lines(
        normal(count, queries, depth),
        normal(count, keys, depth),
        normal(count, keys, value_depth),
        {name: normal(count, 1, 1) for name in ("content", *terms)},
        places={},
        masks={},
    )


def with_places(rng: np.random.Generator, lines: Lines, depth: int) -> Lines:
    """The lines with other features in place of their queries and keys."""
    sides = {"query": lines.query.shape[1], "key": lines.key.shape[1]}
    places = {
        name: tensor(rng.normal(size=(size, lines.query.shape[0], depth)))
        for name, size in sides.items()
        if name in lines.factors
    }
    return lines._replace(places=places)


def random_windows(
    rng: np.random.Generator, rows: int, depths: dict[str, int]
) -> Terms:
    """A window [rows, depth] for each term."""
    return {
        name: tensor(rng.normal(size=(rows, depth)))
        for name, depth in depths.items()
    }


def by_pair(window: tf.Tensor, queries: int, keys: int) -> tf.Tensor:
    """[queries + keys - 1, d] -> [queries, keys, d], by loops.

    The sum of picked rows, so that it has a gradient.
    """
    rows = np.zeros((queries, keys, queries + keys - 1))
    for query, key in np.ndindex(queries, keys):
        rows[query, key, key - query + queries - 1] = 1.0
    return tf.einsum("qkr,rd->qkd", tensor(rows), window)


def stored_terms(lines: Lines, windows: Terms) -> list[tf.Tensor]:
    """Logits [n, q, k] of content and of the position terms with factors."""
    queries, keys = lines.query.shape[1], lines.key.shape[1]
    terms = [tf.einsum("nqd,nkd->nqk", lines.query, lines.key)]
    for name, indices in (("query", "qnd,qkd->nqk"), ("key", "knd,qkd->nqk")):
        if name in lines.factors:
            places = lines.by_place(name)
            window = windows[name][:, : places.shape[2]]
            pairs = by_pair(window, queries, keys)
            terms.append(tf.einsum(indices, places, pairs))
    return terms


def allowed_pairs(length: int, span: int | None) -> np.ndarray:
    """[L, L] bool: whether the query (first) may see the key."""
    reach = length if span is None else (span - 1) // 2
    allowed = np.zeros((length, length), bool)
    for query, key in np.ndindex(length, length):
        allowed[query, key] = abs(key - query) <= reach
    return allowed
