"""Non-local attention as slow loops (arXiv:2003.07853, Eq. 1)."""

import numpy as np


def attend(x, qkv_kernel):
    """[B, H, W, C], [C, 3 d] -> [B, H, W, d], every pixel to every pixel."""
    x = np.asarray(x, np.float64)
    query, key, value = np.split(
        x @ np.asarray(qkv_kernel, np.float64), 3, axis=-1
    )
    out = np.zeros_like(value)
    for b, *place in np.ndindex(x.shape[:3]):
        here = (b, *place)
        logits = np.array([k @ query[here] for k in _pixels(key[b])])
        weights = np.exp(logits - logits.max())
        weights /= weights.sum()
        for weight, v in zip(weights, _pixels(value[b]), strict=True):
            out[here] += weight * v
    return out


def _pixels(image):
    return [image[place] for place in np.ndindex(image.shape[:2])]
