"""Axial attention as pure functions (arXiv:2003.07853, Eq. 4).

Axes: b row, n head, q query, k key, l either, r offset, d and e depth. Rows
are the lines of the map along the attended axis; queries, keys and values are
[b, n, l, d]; position embeddings are windows [r, d] (`relative_position`),
shared by rows and heads.

The logits are sums of up to three normalised terms. The softmax ignores what
is constant over the keys, so the batch norm of a term acts only through its
factor gamma / sqrt(variance + epsilon); and the variance over all pairs of a
row follows from the first and second moments of queries, keys and embeddings,
without the logits themselves.
"""

import tensorflow as tf

from axial_deeplab.layers.normalization import Moments
from axial_deeplab.layers.relative_position import (
    Length,
    keys_to_offsets,
    offsets_to_keys,
    reverse_offsets,
)

# Large enough to vanish in a softmax, small enough to subtract safely.
_MASKED = -1e9


def content_moments(
    query: tf.Tensor, key: tf.Tensor, mask: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sum and sum of squares [n] of q.k over the rows and the pairs of a row.

    Args:
      query: [b, n, L, d].
      key: [b, n, L, d].
      mask: [q, k] bool, the pairs that count; None: all.
    """
    if mask is not None:
        logits = tf.matmul(query, key, transpose_b=True)
        logits *= tf.cast(mask, logits.dtype)
        return (
            tf.reduce_sum(logits, [0, 2, 3]),
            tf.reduce_sum(tf.square(logits), [0, 2, 3]),
        )
    query_sum, key_sum = tf.reduce_sum(query, 2), tf.reduce_sum(key, 2)
    query_gram = tf.matmul(query, query, transpose_a=True)
    key_gram = tf.matmul(key, key, transpose_a=True)
    return (
        tf.reduce_sum(query_sum * key_sum, [0, 2]),
        tf.reduce_sum(query_gram * key_gram, [0, 2, 3]),
    )


def position_moments(
    values: tf.Tensor, window: tf.Tensor, inside: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sum and sum of squares [n] of x_l . r over rows and pairs (l, r).

    Args:
      values: [b, n, L, d], queries or keys.
      window: [2L, d].
      inside: [L, 2L], 1 for the pairs that count (`pairs_inside`).
    """
    gram = tf.einsum("rd,re->rde", window, window)
    grams = tf.einsum("lr,rde->lde", inside, gram)
    value_grams = tf.einsum("bnld,bnle->nlde", values, values)
    value_sums = tf.reduce_sum(values, 0)
    return (
        tf.reduce_sum(value_sums * tf.matmul(inside, window), [1, 2]),
        tf.reduce_sum(value_grams * grams, [1, 2, 3]),
    )


def logit_moments(
    query: tf.Tensor,
    key: tf.Tensor,
    windows: dict[str, tf.Tensor],
    inside: tf.Tensor,
    mask: tf.Tensor | None,
) -> Moments:
    """Moments [terms, n] of content, query position, key position.

    Args:
      query: [b, n, L, d].
      key: [b, n, L, d].
      windows: [2L, d] by term, "query" and "key" where in use.
      inside: [L, 2L] as of `pairs_inside`.
      mask: [q, k] bool, the same pairs; None if there is no span.
    """
    sums = [content_moments(query, key, mask)]
    if "query" in windows:
        sums.append(position_moments(query, windows["query"], inside))
    if "key" in windows:
        # Whoever is at offset r of a query has that query at offset -r.
        reverse = reverse_offsets(windows["key"])
        sums.append(position_moments(key, reverse, inside))
    totals, squares = zip(*sums, strict=True)
    rows = tf.cast(tf.shape(query)[0], tf.float32)
    count = rows * tf.reduce_sum(inside)
    return Moments(tf.stack(totals), tf.stack(squares), count)


def attention_weights(
    query: tf.Tensor,
    key: tf.Tensor,
    factors: dict[str, tf.Tensor],
    windows: dict[str, tf.Tensor],
    length: Length,
    mask: tf.Tensor | None,
) -> tf.Tensor:
    """Softmax over the keys of the summed, normalised terms.

    Args:
      query: [b, n, L, d] float32.
      key: [b, n, L, d] float32.
      factors: [n] by term, "content" and the names of `windows`.
      windows: [2L, d] by term: "query" (multiplies the query), "key"
        (multiplies the key, at the key's own place).
      length: L.
      mask: [q, k] bool, True where a key may be attended; None for all.

    Returns:
      [b, n, q, k] float32.
    """

    def scaled(x: tf.Tensor, term: str) -> tf.Tensor:
        return x * factors[term][:, tf.newaxis, tf.newaxis]

    logits = tf.matmul(scaled(query, "content"), key, transpose_b=True)
    if "query" in windows:
        logits += offsets_to_keys(
            _product(scaled(query, "query"), windows["query"]), length
        )
    if "key" in windows:
        by_key = offsets_to_keys(
            _product(scaled(key, "key"), reverse_offsets(windows["key"])),
            length,
        )
        logits += tf.linalg.matrix_transpose(by_key)
    if mask is not None:
        logits = tf.where(mask, logits, _MASKED)
    return tf.nn.softmax(logits)


def retrieve_position(
    weights: tf.Tensor, window: tf.Tensor, length: Length
) -> tf.Tensor:
    """[b, n, q, k], [2L, d] -> [b, n, q, d]."""
    by_offset = keys_to_offsets(weights, length)
    return _product(by_offset, tf.transpose(window))


def _product(x: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """[b, n, l, c], [m, c] -> [b, n, l, m] as one large matrix product."""
    shape = tf.shape(x)
    flat = tf.reshape(x, [-1, table.shape[1] or tf.shape(table)[1]])
    y = tf.matmul(flat, table, transpose_b=True)
    return tf.reshape(y, tf.concat([shape[:3], [tf.shape(table)[0]]], 0))
