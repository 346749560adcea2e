"""Training targets by loops, from arXiv:1911.10194 section 3.2."""

import fractions
import math

import numpy as np


def panoptic_targets(
    panoptic, thing_ids, ignore_label, divisor, sigma_px, small_px, small_weight
):
    """Returns (semantic, heatmap, offset) and the weight of each."""
    height, width = panoptic.shape
    pixels = {}
    center_weight = np.ones((height, width))
    for y, x in np.ndindex(height, width):
        label, instance = divmod(int(panoptic[y, x]), divisor)
        if label in thing_ids and instance:
            pixels.setdefault((label, instance), []).append((y, x))
        elif label in thing_ids or label == ignore_label:
            center_weight[y, x] = 0
    heatmap = np.zeros((height, width))
    offset = np.zeros((height, width, 2))
    semantic_weight = np.ones((height, width))
    offset_weight = np.zeros((height, width))
    for members in pixels.values():
        center = mean_coordinates(members)
        raise_heatmap(heatmap, center, sigma_px)
        for y, x in members:
            offset[y, x] = center[0] - y, center[1] - x
            offset_weight[y, x] = 1
            if len(members) < small_px:
                semantic_weight[y, x] = small_weight
    return (
        (panoptic // divisor, heatmap, offset),
        (semantic_weight, center_weight, offset_weight),
    )


def mean_coordinates(members):
    # round() of a fraction is exact and takes halves to the even side.
    return [
        round(fractions.Fraction(sum(m[axis] for m in members), len(members)))
        for axis in (0, 1)
    ]


def raise_heatmap(heatmap, center, sigma_px):
    for y, x in np.ndindex(*heatmap.shape):
        dy, dx = y - center[0], x - center[1]
        if max(abs(dy), abs(dx)) <= 3 * sigma_px + 1:
            value = math.exp(-(dy**2 + dx**2) / (2 * sigma_px**2))
            heatmap[y, x] = max(heatmap[y, x], value)
