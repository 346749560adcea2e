"""Axial attention as slow loops, written from Eq. 4 of arXiv:2003.07853.

Weights are a dictionary by the layer's weight names. Everything is float64.
"""

import numpy as np


def axial_attention(rows, weights, *, heads, span=None, training=False):
    """[b, L, C] -> [b, L, filters]; statistics of the batch if training."""
    weights = {k: np.asarray(v, np.float64) for k, v in weights.items()}
    value = _project(rows, weights, heads, training)[2]
    attended = attention_weights(
        rows, weights, heads=heads, span=span, training=training
    )
    out = np.zeros((2, *value.shape))
    depth = value.shape[2] // heads
    for b, n, q, k in np.ndindex(attended.shape):
        part = slice(n * depth, (n + 1) * depth)
        row = _row(weights["value_position"], q, k)
        weight = attended[b, n, q, k]
        out[0, b, q, part] += weight * value[b, k, part]
        out[1, b, q, part] += weight * weights["value_position"][row]
    return sum(
        _norm(out[t], weights, "output_norm", training, t) for t in range(2)
    )


def attention_weights(rows, weights, *, heads, span=None, training=False):
    """[b, L, C] -> [b, n, L (query), L (key)]; 0 outside the span."""
    weights = {k: np.asarray(v, np.float64) for k, v in weights.items()}
    query, key, _ = _project(rows, weights, heads, training)
    terms = _logit_terms(query, key, weights, heads, span)
    logits = _norm_logits(terms, weights, training).sum(axis=0)
    attended = np.zeros(logits.shape)
    for b, n, q in np.ndindex(logits.shape[:3]):
        keys = _keys(q, logits.shape[3], span)
        powers = np.exp(logits[b, n, q, keys] - logits[b, n, q, keys].max())
        attended[b, n, q, keys] = powers / powers.sum()
    return attended


def _project(rows, weights, heads, training):
    """Normalised queries, keys and values [b, L, .]."""
    key_filters = weights["query_position"].shape[1] * heads
    qkv = np.asarray(rows, np.float64) @ weights["qkv_kernel"]
    qkv = _norm(qkv, weights, "qkv_norm", training)
    return np.split(qkv, [key_filters, 2 * key_filters], axis=-1)


def _logit_terms(query, key, weights, heads, span):
    """[3, b, n, q, k]; NaN where a key is outside the span."""
    rows, length = query.shape[:2]
    depth = query.shape[2] // heads
    terms = np.full((3, rows, heads, length, length), np.nan)
    for b, n, q in np.ndindex(rows, heads, length):
        part = slice(n * depth, (n + 1) * depth)
        for k in _keys(q, length, span):
            query_row = _row(weights["query_position"], q, k)
            key_row = _row(weights["key_position"], q, k)
            one, other = query[b, q, part], key[b, k, part]
            terms[:, b, n, q, k] = (
                one @ other,
                one @ weights["query_position"][query_row],
                other @ weights["key_position"][key_row],
            )
    return terms


def _norm_logits(terms, weights, training):
    shape = (3, 1, terms.shape[2], 1, 1)
    mean = weights["similarity_norm/moving_mean"].reshape(shape)
    variance = weights["similarity_norm/moving_variance"].reshape(shape)
    if training:
        mean = np.nanmean(terms, axis=(1, 3, 4), keepdims=True)
        variance = np.nanvar(terms, axis=(1, 3, 4), keepdims=True)
    gamma = weights["similarity_norm/gamma"].reshape(shape)
    beta = weights["similarity_norm/beta"].reshape(shape)
    return gamma * (terms - mean) / np.sqrt(variance + 1e-3) + beta


def _norm(x, weights, name, training, term=None):
    def get(part):
        value = weights[f"{name}/{part}"]
        return value if term is None else value[term]

    mean, variance = get("moving_mean"), get("moving_variance")
    if training:
        mean, variance = x.mean(axis=(0, 1)), x.var(axis=(0, 1))
    return get("gamma") * (x - mean) / np.sqrt(variance + 1e-3) + get("beta")


def _keys(query, length, span):
    """Positions inside the map that the query attends to."""
    reach = length if span is None else (span - 1) // 2
    return [k for k in range(length) if abs(k - query) <= reach]


def _row(table, query, key):
    """Row of the offset key - query; offsets beyond the table are clipped."""
    middle = len(table) // 2
    return min(max(key - query + middle, 0), 2 * middle)
