"""Attention in windows as slow loops (arXiv:2003.07853, Eq. 2 and 3).

Weights are a dictionary by the layer's weight names; terms and norms that it
has no weights of are left out. Everything is float64.
"""

import numpy as np


def local_attention(x, weights, *, heads, stride=1, training=False):
    """[B, H, W, C] -> [B, H', W', F]; statistics of the batch if training."""
    x = np.asarray(x, np.float64)
    weights = {k: np.asarray(v, np.float64) for k, v in weights.items()}
    qkv = x @ weights["qkv_kernel"]
    if "qkv_norm/gamma" in weights:
        qkv = _norm(qkv, weights, "qkv_norm", training)
    query, key, value = np.split(qkv, 3, axis=-1)
    logits = _logits(query, key, weights, heads, training)
    depth = value.shape[-1] // heads
    outputs = np.zeros((2, *value.shape))
    for b, n, h, w in np.ndindex(len(x), heads, *x.shape[1:3]):
        pixels = np.argwhere(np.isfinite(logits[b, n, h, w]))
        part = slice(n * depth, (n + 1) * depth)
        shares = [np.exp(logits[b, n, h, w, i, j]) for i, j in pixels]
        for share, (i, j) in zip(shares, pixels, strict=True):
            share = share / sum(shares)
            outputs[0, b, h, w, part] += share * value[b, i, j, part]
            if "value_position" in weights:
                offset = _embedding(weights["value_position"], i - h, j - w, n)
                outputs[1, b, h, w, part] += share * offset
    count = len(weights["output_norm/gamma"])
    pooled = [average_pool(part, stride) for part in outputs[:count]]
    return sum(
        _norm(part, weights, "output_norm", training, t)
        for t, part in enumerate(pooled)
    )


def _logits(query, key, weights, heads, training):
    """[B, n, H, W, H, W]; -inf where a key is not in the window."""
    terms = ["content"]
    terms += [k for k in ("query", "key") if f"{k}_position" in weights]
    batch, height, width, filters = query.shape
    depth, size = filters // heads, (height, width)
    reach = len(weights.get("query_position", weights.get("key_position"))) // 2
    logits = np.full((len(terms), batch, heads, *size, *size), np.nan)
    for b, n, h, w, i, j in np.ndindex(*logits.shape[1:]):
        if max(abs(i - h), abs(j - w)) > reach:
            continue
        part = slice(n * depth, (n + 1) * depth)
        one, other = query[b, h, w, part], key[b, i, j, part]
        factors = {"content": (one, other), "query": (one,), "key": (other,)}
        for t, term in enumerate(terms):
            vectors = list(factors[term])
            if term != "content":
                table = weights[f"{term}_position"]
                vectors.append(_embedding(table, i - h, j - w, n))
            logits[t, b, n, h, w, i, j] = vectors[0] @ vectors[1]
    if "similarity_norm/gamma" in weights:
        logits = _norm_logits(logits, weights, training)
    logits = logits.sum(axis=0)
    return np.where(np.isnan(logits), -np.inf, logits)


def _embedding(table, row, column, head):
    """[d]: half of the row offset, half (the smaller) of the column offset."""
    reach, tables, depth = len(table) // 2, table.shape[1], table.shape[2]
    rows = depth - depth // 2
    head = head if tables > 1 else 0
    return np.concatenate(
        [
            table[row + reach, head, :rows],
            table[column + reach, head, rows:],
        ]
    )


def _norm_logits(logits, weights, training):
    shape = (len(logits), 1, logits.shape[2], 1, 1, 1, 1)
    mean, variance, gamma, beta = (
        weights[f"similarity_norm/{name}"].reshape(shape)
        for name in ("moving_mean", "moving_variance", "gamma", "beta")
    )
    if training:
        axes = (1, 3, 4, 5, 6)
        mean = np.nanmean(logits, axis=axes, keepdims=True)
        variance = np.nanvar(logits, axis=axes, keepdims=True)
    return gamma * (logits - mean) / np.sqrt(variance + 1e-3) + beta


def _norm(x, weights, name, training, term=None):
    def get(part):
        value = weights[f"{name}/{part}"]
        return value if term is None else value[term]

    mean, variance = get("moving_mean"), get("moving_variance")
    if training:
        mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    return get("gamma") * (x - mean) / np.sqrt(variance + 1e-3) + get("beta")


def average_pool(x, size):
    """Means of size x size pixels, at the end of what is left of them."""
    height, width = x.shape[1:3]
    rows, columns = range(0, height, size), range(0, width, size)
    out = np.zeros((len(x), len(rows), len(columns), x.shape[3]))
    for a, row in enumerate(rows):
        for b, column in enumerate(columns):
            pixels = x[:, row : row + size, column : column + size]
            out[:, a, b] = pixels.mean(axis=(1, 2))
    return out


def attention_stem(x, weights, *, heads, training=False):
    """[B, H, W, C] -> [B, H', W', F] (arXiv:1906.05909, section 3.3)."""
    x = np.asarray(x, np.float64)
    weights = {k: np.asarray(v, np.float64) for k, v in weights.items()}
    query, key = x @ weights["query_kernel"], x @ weights["key_kernel"]
    value = _mixed_values(x, weights)
    depth = value.shape[-1] // heads
    out = np.zeros(value.shape)
    for b, n, h, w in np.ndindex(len(x), heads, *x.shape[1:3]):
        part = slice(n * depth, (n + 1) * depth)
        rows, columns = _block(h), _block(w)
        keys = key[b, rows, columns, part].reshape(-1, depth)
        values = value[b, rows, columns, part].reshape(-1, depth)
        shares = np.exp(keys @ query[b, h, w, part])
        out[b, h, w, part] = shares @ values / shares.sum()
    out = np.maximum(_norm(out, weights, "batch_norm", training), 0.0)
    height, width = (-(-side // 4) for side in x.shape[1:3])
    pooled = np.zeros((len(x), height, width, out.shape[3]))
    for h, w in np.ndindex(height, width):
        block = out[:, _block(4 * h), _block(4 * w)]
        pooled[:, h, w] = block.max(axis=(1, 2))
    return pooled


def _block(place):
    """The 4 rows (or columns) that one of them is among."""
    return slice(place // 4 * 4, place // 4 * 4 + 4)


def _mixed_values(x, weights):
    """The kernel of a pixel is a mixture that follows from its place."""
    value = np.zeros((*x.shape[:3], weights["value_kernel"].shape[-1]))
    for h, w in np.ndindex(*x.shape[1:3]):
        place = weights["row_position"][h % 4]
        place = place + weights["column_position"][w % 4]
        share = np.exp(weights["mixture_position"] @ place)
        share /= share.sum()
        kernel = sum(
            s * k for s, k in zip(share, weights["value_kernel"], strict=True)
        )
        value[:, h, w] = x[:, h, w] @ kernel
    return value
