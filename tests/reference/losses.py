"""Pixel losses written as loops over samples and pixels, in float64."""

import math

import numpy as np


def cross_entropy(label, logits):
    """Softmax cross entropy of one pixel."""
    logits = [float(x) for x in logits]
    largest = max(logits)
    total = sum(math.exp(x - largest) for x in logits)
    return largest + math.log(total) - logits[label]


def squared_error(target, prediction):
    """Mean over the channels of one pixel."""
    pairs = list(zip(target, prediction, strict=True))
    return sum((float(p) - float(t)) ** 2 for t, p in pairs) / len(pairs)


def absolute_error(target, prediction):
    """Mean over the channels of one pixel."""
    pairs = list(zip(target, prediction, strict=True))
    return sum(abs(float(p) - float(t)) for t, p in pairs) / len(pairs)


def per_sample(pixel_loss, targets, predictions, weights, fraction):
    """Mean of the non-zero ones among the hardest pixels of each sample."""
    results = []
    for target, prediction, weight in zip(
        targets, predictions, weights, strict=True
    ):
        height, width = weight.shape
        losses = []
        for y in range(height):
            for x in range(width):
                loss = 0.0
                if weight[y, x] != 0:
                    loss = pixel_loss(target[y, x], prediction[y, x])
                    loss *= float(weight[y, x])
                losses.append(loss)
        losses.sort(reverse=True)
        kept = losses[: max(1, round(fraction * len(losses)))]
        kept = [loss for loss in kept if loss != 0]
        results.append(sum(kept) / len(kept) if kept else 0.0)
    return np.array(results)


def numerical_gradient(function, point, step=1e-5):
    """Central differences of a scalar function of an array."""
    point = np.array(point, np.float64)
    gradient = np.zeros_like(point)
    for index in np.ndindex(*point.shape):
        moved = point.copy()
        moved[index] += step
        above = function(moved)
        moved[index] -= 2 * step
        gradient[index] = (above - function(moved)) / (2 * step)
    return gradient
