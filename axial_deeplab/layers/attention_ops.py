"""Axial attention as pure functions (arXiv:2003.07853, Eq. 4).

Axes: b row, q query, k key, n head, d and e depth, t term. Rows are the lines
of the map along the attended axis; position embeddings are spread to
[q, k, d] and shared by rows and heads.

The logits are sums of up to three normalised terms. The softmax ignores what
is constant over the keys, so the batch norm of a term acts only through its
factor gamma / sqrt(variance + epsilon); and the variance over all pairs of a
row follows from the first and second moments of queries, keys and embeddings,
without the logits themselves.
"""

import tensorflow as tf

from axial_deeplab.layers.normalization import Moments, moments_over

# Large enough to vanish in a softmax, small enough to subtract safely.
_MASKED = -1e9


def content_moments(query: tf.Tensor, key: tf.Tensor) -> Moments:
    """Per-head moments of q.k over all rows and pairs, without the logits.

    Args:
      query: [b, L, n, d].
      key: [b, L, n, d].
    """
    query_sum, key_sum = tf.reduce_sum(query, 1), tf.reduce_sum(key, 1)
    query_gram = tf.einsum("bqnd,bqne->bnde", query, query)
    key_gram = tf.einsum("bknd,bkne->bnde", key, key)
    return Moments(
        tf.einsum("bnd,bnd->n", query_sum, key_sum),
        tf.einsum("bnde,bnde->n", query_gram, key_gram),
        _pair_count(query, tf.shape(query)[1] ** 2),
    )


def content_moments_in_band(
    query: tf.Tensor, key: tf.Tensor, mask: tf.Tensor
) -> Moments:
    """`content_moments` over the pairs that `mask` [q, k] allows."""
    weight = tf.cast(mask, query.dtype)
    logits = weight * tf.einsum("bqnd,bknd->bnqk", query, key)
    total, squares, _ = moments_over(logits, [0, 2, 3])
    return Moments(total, squares, _pair_count(query, tf.reduce_sum(weight)))


def position_moments(
    values: tf.Tensor, embeddings: tf.Tensor, pairs: tf.Tensor
) -> Moments:
    """Per-head moments of x_l . r[l, m] over rows and pairs (l, m).

    Args:
      values: [b, l, n, d], queries or keys.
      embeddings: [l, m, d], zero where a pair is outside the span.
      pairs: number of pairs (l, m) inside the span.
    """
    value_sum = tf.reduce_sum(values, 0)
    value_gram = tf.einsum("blnd,blne->lnde", values, values)
    gram = tf.einsum("lmd,lme->lde", embeddings, embeddings)
    return Moments(
        tf.einsum("lnd,ld->n", value_sum, tf.reduce_sum(embeddings, 1)),
        tf.einsum("lnde,lde->n", value_gram, gram),
        _pair_count(values, pairs),
    )


def attention_weights(
    query: tf.Tensor,
    key: tf.Tensor,
    factors: dict[str, tf.Tensor],
    embeddings: dict[str, tf.Tensor],
    mask: tf.Tensor | None,
) -> tf.Tensor:
    """Softmax over the keys of the summed, normalised terms.

    Args:
      query: [b, q, n, d] float32.
      key: [b, k, n, d] float32.
      factors: [n] by term, "content" and the names of `embeddings`.
      embeddings: [q, k, d] by term: "query" (multiplies the query), "key"
        (multiplies the key, at the key's own place).
      mask: [q, k] bool, True where a key may be attended; None for all.

    Returns:
      [b, n, q, k] float32.
    """
    scaled = {name: factor[:, tf.newaxis] for name, factor in factors.items()}
    logits = tf.einsum("bqnd,bknd->bnqk", query * scaled["content"], key)
    if "query" in embeddings:
        logits += tf.einsum(
            "bqnd,qkd->bnqk", query * scaled["query"], embeddings["query"]
        )
    if "key" in embeddings:
        logits += tf.einsum(
            "bknd,qkd->bnqk", key * scaled["key"], embeddings["key"]
        )
    if mask is not None:
        logits = tf.where(mask, logits, _MASKED)
    return tf.nn.softmax(logits)


def retrieve_content(weights: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """[b, n, q, k], [b, k, n, d] -> [b, q, n, d]."""
    return tf.einsum("bnqk,bknd->bqnd", weights, value)


def retrieve_position(weights: tf.Tensor, embeddings: tf.Tensor) -> tf.Tensor:
    """[b, n, q, k], [q, k, d] -> [b, q, n, d]."""
    return tf.einsum("bnqk,qkd->bqnd", weights, embeddings)


def _pair_count(rows: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.shape(rows)[0], tf.float32) * tf.cast(pairs, tf.float32)
