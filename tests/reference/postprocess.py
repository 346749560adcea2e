"""Panoptic-DeepLab post-processing as slow loops over pixels and centres.

Written from the paper (arXiv:1911.10194, section 3.3) and the description of
the public versions; one image at a time, NumPy only.
"""

import collections

import numpy as np


def suppress(heatmap, threshold, kernel_px):
    """[H, W] heatmap, zero except at peaks above the threshold."""
    height, width = heatmap.shape
    before = (kernel_px - 1) // 2
    kept = np.where(heatmap > threshold, heatmap, 0).astype(np.float32)
    peaks = np.zeros_like(kept)
    for y in range(height):
        for x in range(width):
            top, left = max(y - before, 0), max(x - before, 0)
            bottom, right = y - before + kernel_px, x - before + kernel_px
            if kept[y, x] == kept[top:bottom, left:right].max():
                peaks[y, x] = kept[y, x]
    return peaks


def centers(peaks, keep_k, above_kth=False):
    """List of (y, x) in raster order."""
    found = [tuple(place) for place in np.argwhere(peaks > 0)]
    if not keep_k or len(found) <= keep_k:
        return found
    # Python's sort is stable: equal scores stay in raster order.
    best = sorted(found, key=lambda place: -peaks[place])
    if above_kth:
        limit = peaks[best[keep_k - 1]]
        return [place for place in found if peaks[place] > limit]
    return sorted(best[:keep_k])


def group(places, offset, is_thing):
    """[H, W] of 1 + index of the nearest centre; 0 off things."""
    instance = np.zeros(is_thing.shape, np.int32)
    for y, x in np.argwhere(is_thing):
        target = np.float32([y, x]) + offset[y, x]
        best = np.inf
        for index, place in enumerate(places):
            distance = np.sum((target - np.float32(place)) ** 2)
            if distance < best:
                best, instance[y, x] = distance, index + 1
    return instance


def merge(semantic, instance, settings):
    """[H, W] panoptic ids."""
    divisor, rules = settings.label_divisor, settings.rules
    void = settings.ignore_label * divisor
    panoptic = np.full(semantic.shape, void, np.int32)
    is_thing = np.isin(semantic, settings.thing_ids)
    numbers = collections.Counter()
    for one in dict.fromkeys(instance[is_thing].tolist()):  # raster order
        mask = is_thing & (instance == one)
        votes = collections.Counter(semantic[mask].tolist())
        winner = min(c for c in votes if votes[c] == max(votes.values()))
        if one == 0 and not rules.group_loose_things:
            continue
        numbers[winner] += 1
        if numbers[winner] < divisor:
            panoptic[mask] = winner * divisor + numbers[winner]
    for stuff in set(semantic[~is_thing].tolist()):
        mask = semantic == stuff
        area, limit = mask.sum(), settings.stuff_area_limit_px
        if area > limit or (area == limit and not rules.stuff_above_limit):
            panoptic[mask] = stuff * divisor
    return panoptic


def predict(probabilities, heatmap, offset, settings):
    """Dict of [H, W] maps of one image ([H, W, K], [H, W, 1], [H, W, 2])."""
    semantic = probabilities.argmax(-1).astype(np.int32)
    peaks = suppress(
        heatmap[..., 0], settings.center_threshold, settings.nms_kernel_px
    )
    places = centers(
        peaks, settings.keep_k_centers, settings.rules.centers_above_kth
    )
    is_thing = np.isin(semantic, settings.thing_ids)
    instance = group(places, offset, is_thing)
    scores = np.float32([0, *(peaks[place] for place in places)])
    return {
        "panoptic": merge(semantic, instance, settings),
        "semantic": semantic,
        "instance": instance,
        "instance_center": peaks,
        "instance_score": scores[instance],
    }
