"""Pictures of truth, prediction and where they differ, uint8 RGB."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from axial_deeplab.evaluation import run_lengths
from axial_deeplab.evaluation.panoptic_checks import VOID_ID, Segment
from axial_deeplab.evaluation.panoptic_quality import segment_matches

Colour = tuple[int, int, int]
# Segment ids [H, W] and the list of segments.
SegmentMap = tuple[np.ndarray, Sequence[Segment]]

RIGHT: Colour = (232, 238, 232)
WRONG_CLASS: Colour = (214, 39, 40)
WRONG_SEGMENT: Colour = (255, 160, 40)
NOT_COUNTED: Colour = (120, 120, 120)
_UNKNOWN: Colour = (0, 0, 0)
_BORDER: Colour = (255, 255, 255)


def thinned(pixels: np.ndarray, most_px: int) -> np.ndarray:
    """Every n-th row and column, so that no side is above `most_px`."""
    step = -(-max(pixels.shape[:2]) // most_px)
    return pixels[::step, ::step]


def label_picture(
    labels: np.ndarray, colours: Mapping[int, Colour]
) -> np.ndarray:
    """Labels [H, W] in their colours; others are black."""
    values, which = np.unique(labels, return_inverse=True)
    table = [colours.get(value, _UNKNOWN) for value in values.tolist()]
    return np.array(table, np.uint8)[which.reshape(labels.shape)]


def label_errors(
    truth: np.ndarray, predicted: np.ndarray, counted: np.ndarray
) -> np.ndarray:
    """Right, wrong and uncounted pixels of label maps [H, W] in colours."""
    states = np.where(truth == predicted, 0, 1)
    states[~counted] = 2
    return np.array([RIGHT, WRONG_CLASS, NOT_COUNTED], np.uint8)[states]


def segment_picture(
    ids: np.ndarray,
    segments: Sequence[Segment],
    colours: Mapping[Any, Colour],
) -> np.ndarray:
    """Segments [H, W] in the colours of their categories, parted by lines."""
    of_segment = {
        one["id"]: colours.get(one["category_id"], _UNKNOWN) for one in segments
    }
    picture = label_picture(ids, of_segment)
    is_border = np.zeros(ids.shape, bool)
    is_border[:, 1:] = ids[:, 1:] != ids[:, :-1]
    is_border[1:] |= ids[1:] != ids[:-1]
    picture[is_border] = _BORDER
    return picture


def matched_pairs(truth: SegmentMap, predicted: SegmentMap) -> set:
    """(truth id, predicted id) of the segments that match each other."""
    truths, predictions = _by_id(truth), _by_id(predicted)
    overlaps = run_lengths.segment_overlaps(truth[0], predicted[0])
    matches = segment_matches(overlaps, truths, predictions, "")
    return {pair[:2] for pair in matches}


def segment_errors(
    truth: SegmentMap, predicted: SegmentMap, matched: Collection
) -> np.ndarray:
    """Where panoptic maps differ, in colours.

    Right are pixels of matched segments, wrong in class those of another
    category, wrong in segment the others: their segments do not match each
    other. Void and unlisted truth is not counted.

    Args:
        truth: Segment ids [H, W] and segments.
        predicted: The same.
        matched: The `matched_pairs` of the maps, or of those that they were
            thinned from.
    """
    truths, predictions = _by_id(truth), _by_id(predicted)
    keys = [maps.astype(np.int64) for maps in (truth[0], predicted[0])]
    joint, which = np.unique(keys[0] << 32 | keys[1], return_inverse=True)
    table = []
    for key in joint.tolist():
        pair = key >> 32, key & 0xFFFFFFFF
        real, found = truths.get(pair[0]), predictions.get(pair[1])
        if pair[0] == VOID_ID or real is None:
            table.append(NOT_COUNTED)
        elif pair in matched:
            table.append(RIGHT)
        elif found and found["category_id"] == real["category_id"]:
            table.append(WRONG_SEGMENT)
        else:
            table.append(WRONG_CLASS)
    return np.array(table, np.uint8)[which.reshape(truth[0].shape)]


def _by_id(one: SegmentMap) -> dict[int, Segment]:
    return {segment["id"]: segment for segment in one[1]}
