"""MSCAN's layers as slow loops (arXiv:2209.08575, Eqs. 1 and 2)."""

import math

import numpy as np

from tests.reference.convolution import batch_norm


def depthwise(x, kernel, bias, dilation=1):
    """[B, H, W, C], [h, w, C, 1], [C] -> [B, H, W, C], zeros around."""
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    height, width = x.shape[1:3]
    out = np.zeros(x.shape) + np.asarray(bias, np.float64)
    middle = [side // 2 for side in kernel.shape[:2]]
    for y, c in np.ndindex(height, width):
        for a, b in np.ndindex(kernel.shape[:2]):
            source = (
                y + (a - middle[0]) * dilation,
                c + (b - middle[1]) * dilation,
            )
            if 0 <= source[0] < height and 0 <= source[1] < width:
                out[:, y, c] += x[:, source[0], source[1]] * kernel[a, b, :, 0]
    return out


def depthwise_conv(layer, x):
    """What a `DepthwiseConv` with its present weights should return."""
    return depthwise(x, layer.kernel, layer.bias, layer.dilation)


def pointwise(layer, x):
    """What a 1x1 `Conv2D` should return."""
    kernel = np.asarray(layer.kernel, np.float64)[0, 0]
    return np.asarray(x, np.float64) @ kernel + np.asarray(layer.bias)


def gelu(x):
    """x times the normal distribution's share below x."""
    share = np.vectorize(lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2))))
    return x * share(x)


def attention(layer, x):
    """What a `MultiScaleConvAttention` should return."""
    local = depthwise_conv(layer.local, x)
    if layer.options.large_kernel:
        factor = depthwise_conv(layer.large, local)
    else:
        factor = local.copy()
        for across, down in zip(layer.across, layer.down, strict=True):
            factor += depthwise_conv(down, depthwise_conv(across, local))
    if layer.options.mix:
        factor = pointwise(layer.mix, factor)
    return factor * x if layer.options.gate else factor


def block(layer, x, training=False):
    """What an `MSCANBlock` without drop path should return."""
    x = np.asarray(x, np.float64)
    normed = _norm(layer.attention_norm, x, training)
    unit = layer.attention
    attended = attention(unit.attention, gelu(pointwise(unit.before, normed)))
    attended = pointwise(unit.after, attended) + normed
    x = x + attended * np.asarray(layer.attention_scale.factor)
    feed, y = layer.feed_forward, _norm(layer.feed_norm, x, training)
    y = gelu(depthwise_conv(feed.spatial, pointwise(feed.expand, y)))
    return x + pointwise(feed.reduce, y) * np.asarray(layer.feed_scale.factor)


def _norm(layer, x, training):
    weights = layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance
    return batch_norm(x, weights, training, layer.options.epsilon)
