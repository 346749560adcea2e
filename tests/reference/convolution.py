"""Convolution, pooling, norm and resize of [B, H, W, C] maps as slow loops.

Everything is float64 and centred: odd kernels, (k - 1) / 2 zeros on each side
times the dilation, whatever the stride.
"""

import numpy as np


def convolution(x, kernel, stride=1, dilation=1):
    """[B, H, W, C], [k, k, C, F] -> [B, ceil(H/stride), ceil(W/stride), F]."""
    kernel = np.asarray(kernel, np.float64)
    return _slide(x, kernel, stride, dilation, kernel.shape[3], np.matmul)


def depthwise(x, kernel, stride=1, dilation=1):
    """[B, H, W, C], [k, k, C, 1] -> [B, ceil(H/stride), ceil(W/stride), C]."""
    kernel = np.asarray(kernel, np.float64)[..., 0]
    return _slide(x, kernel, stride, dilation, kernel.shape[2], np.multiply)


def _slide(x, kernel, stride, dilation, filters, multiply):
    x = np.asarray(x, np.float64)
    batch, height, width, _ = x.shape
    reach = (len(kernel) - 1) // 2
    rows, columns = range(0, height, stride), range(0, width, stride)
    out = np.zeros((batch, len(rows), len(columns), filters))
    for (i, y), (j, c) in _pairs(enumerate(rows), enumerate(columns)):
        for a, b in np.ndindex(kernel.shape[:2]):
            source = y + (a - reach) * dilation, c + (b - reach) * dilation
            if 0 <= source[0] < height and 0 <= source[1] < width:
                pixel = x[:, source[0], source[1]]
                out[:, i, j] += multiply(pixel, kernel[a, b])
    return out


def _pairs(one, other):
    other = list(other)
    return [(a, b) for a in one for b in other]


def max_pool(x, size=3, stride=2):
    """Pool centred on every stride-th pixel; nothing outside the map."""
    x = np.asarray(x, np.float64)
    reach = (size - 1) // 2
    rows, columns = (range(0, n, stride) for n in x.shape[1:3])
    out = np.zeros((len(x), len(rows), len(columns), x.shape[3]))
    for (i, y), (j, c) in _pairs(enumerate(rows), enumerate(columns)):
        window = x[
            :,
            max(y - reach, 0) : y + reach + 1,
            max(c - reach, 0) : c + reach + 1,
        ]
        out[:, i, j] = window.max(axis=(1, 2))
    return out


def average_pool(x, size):
    """Stride 1, only windows (height, width) that lie inside the map."""
    x = np.asarray(x, np.float64)
    height, width = (n - s + 1 for n, s in zip(x.shape[1:3], size, strict=True))
    out = np.zeros((len(x), height, width, x.shape[3]))
    for i, j in np.ndindex(height, width):
        out[:, i, j] = x[:, i : i + size[0], j : j + size[1]].mean(axis=(1, 2))
    return out


def batch_norm(x, weights, training=False, epsilon=1e-3):
    """Norm of the last axis; `weights` are gamma, beta, mean and variance."""
    x = np.asarray(x, np.float64)
    gamma, beta, mean, variance = (np.asarray(w, np.float64) for w in weights)
    if training:
        mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def relu(x):
    return np.maximum(x, 0)


def resize(x, size):
    """Bilinear, corners stay corners: pixel i reads i (n - 1) / (m - 1)."""
    x = np.asarray(x, np.float64)
    out = np.zeros((len(x), *size, x.shape[3]))
    for i, j in np.ndindex(*size):
        y, c = (
            k * (n - 1) / max(m - 1, 1)
            for k, n, m in zip((i, j), x.shape[1:3], size, strict=True)
        )
        out[:, i, j] = _bilinear(x, y, c)
    return out


def _bilinear(x, y, c):
    top, left = int(y), int(c)
    bottom, right = min(top + 1, x.shape[1] - 1), min(left + 1, x.shape[2] - 1)
    above = x[:, top, left] * (1 - c + left) + x[:, top, right] * (c - left)
    below = x[:, bottom, left] * (1 - c + left) + x[:, bottom, right] * (
        c - left
    )
    return above * (1 - y + top) + below * (y - top)


def conv_norm_act(layer, x, training=False):
    """What a `ConvNormAct` with its present weights should return."""
    x = convolution(x, layer.conv.kernel, layer.stride, layer.dilation)
    x = _norm(layer.batch_norm, x, training)
    return relu(x) if layer.activation else x


def separable_conv_norm_act(layer, x, training=False):
    """What a `SeparableConvNormAct` with its weights should return."""
    kernel = layer.depthwise.depthwise_kernel
    x = depthwise(x, kernel, layer.stride, layer.dilation)
    x = _norm(layer.depthwise_norm, x, training)
    x = relu(x) if layer.activation else x
    x = convolution(x, layer.pointwise.conv.kernel)
    x = _norm(layer.pointwise.batch_norm, x, training)
    return relu(x) if layer.activation else x


def _norm(layer, x, training):
    weights = layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance
    return batch_norm(x, weights, training, layer.options.epsilon)
