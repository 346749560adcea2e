"""Counts the segments of label maps by their runs of equal pixels.

Label maps are flat almost everywhere. Finding where a value changes costs one
comparison a pixel; sorting and counting then touch the few thousand runs
instead of all pixels, at any size of the ids and with any NumPy version.
"""

import dataclasses
import logging

import numpy as np

_log = logging.getLogger(__name__)

_LARGEST_ID = 2**32 - 1
# Three values of a 16-bit image in one int64.
_SMALL_BITS, _SMALL_LARGEST = np.uint64(16), np.uint64(2**16 - 1)


@dataclasses.dataclass(frozen=True)
class SegmentOverlaps:
    """How the segments of a truth map and of a predicted map meet.

    `pixels` maps (truth id, predicted id) to the number of shared pixels, in
    ascending order; `predicted_areas` maps a predicted id to its pixels in the
    predicted map.
    """

    pixels: dict[tuple[int, int], int]
    predicted_areas: dict[int, int]


def segment_overlaps(
    truth_map: np.ndarray, predicted_map: np.ndarray, image_id: object = None
) -> SegmentOverlaps:
    """Joint histogram of two id maps [H, W] with ids in 0..2**32-1.

    A prediction with one row or column is repeated over the truth, with a
    warning, because the official tool does so in silence.

    Raises:
        ValueError: The maps are no integer maps [H, W] of one size.
    """
    truth = _checked_map(truth_map, "truth", image_id)
    predicted = _checked_map(predicted_map, "predicted", image_id)
    # Every predicted pixel is repeated equally often, so areas scale back.
    area = predicted.size
    truth, predicted = _same_size(truth, predicted, image_id)
    starts, lengths = _flat_runs(truth, predicted)
    truth_ids = _ids_at(truth, starts, image_id)
    predicted_ids = _ids_at(predicted, starts, image_id)
    # NumPy 1 would promote uint64 and int to float64.
    shift = np.uint64(int(predicted_ids.max()).bit_length())
    keys, counts = _sums(truth_ids << shift | predicted_ids, lengths)
    largest = (np.uint64(1) << shift) - np.uint64(1)
    pairs = zip(
        (keys >> shift).tolist(), (keys & largest).tolist(), strict=True
    )
    pixels = dict(zip(pairs, counts.tolist(), strict=True))
    areas: dict[int, int] = {}
    for (_, predicted_id), count in pixels.items():
        areas[predicted_id] = areas.get(predicted_id, 0) + count
    areas = {key: n * area // truth.size for key, n in sorted(areas.items())}
    return SegmentOverlaps(pixels, areas)


def runs(*maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows into runs within which none of the maps [H, W] changes.

    Returns flat start positions and lengths, int64 [runs]. A run never crosses
    the end of its row.
    """
    starts_here = np.zeros(maps[0].shape, bool)
    starts_here[:, 0] = True
    for ids in maps:
        starts_here[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    starts = np.flatnonzero(starts_here)
    return starts, np.diff(starts, append=starts_here.size)


def value_counts(*maps: np.ndarray) -> dict[tuple[int, ...], int]:
    """Pixels of each combination of values, ascending.

    Args:
        maps: Up to three integer maps [H, W] of one size, values in 0..65535.

    Raises:
        ValueError: Sizes differ, or a map is not such a map.
    """
    maps = tuple(_small_values(ids, maps[0]) for ids in map(np.asarray, maps))
    starts, lengths = _flat_runs(*maps)
    keys = np.zeros(len(starts), np.uint64)
    for ids in maps:
        keys = keys << _SMALL_BITS | ids.ravel()[starts].astype(np.uint64)
    keys, counts = _sums(keys, lengths)
    shifts = [_SMALL_BITS * np.uint64(i) for i in range(len(maps))][::-1]
    values = [(keys >> shift & _SMALL_LARGEST).tolist() for shift in shifts]
    pairs = zip(*values, strict=True)
    return dict(zip(pairs, counts.tolist(), strict=True))


def segment_areas(ids: np.ndarray) -> dict[int, int]:
    """Pixels of each id of a map [H, W], ascending; ids of any size.

    Raises:
        ValueError: It is no integer map.
    """
    ids = _checked_map(ids, "id", None)
    starts, lengths = _flat_runs(ids)
    keys, counts = _sums(_ids_at(ids, starts, None), lengths)
    return dict(zip(keys.tolist(), counts.tolist(), strict=True))


def boxes(
    starts: np.ndarray, lengths: np.ndarray, which: np.ndarray, width_px: int
) -> np.ndarray:
    """[x, y, width, height] of each value, int64 [values, 4], from its runs."""
    rows, left = np.divmod(starts, width_px)
    number = which.max() + 1
    lowest = np.full((number, 2), np.iinfo(np.int64).max)
    highest = np.zeros((number, 2), np.int64)
    np.minimum.at(lowest, which, np.stack([left, rows], axis=1))
    ends = np.stack([left + lengths, rows + 1], axis=1)
    np.maximum.at(highest, which, ends)
    return np.concatenate([lowest, highest - lowest], axis=1)


def _flat_runs(*maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `runs`, but a run may go on in the next row: fewer, and faster."""
    starts_here = np.empty(maps[0].size, bool)
    starts_here[0], rest = True, starts_here[1:]
    for index, ids in enumerate(maps):
        flat = ids.ravel()
        if index:
            rest |= flat[1:] != flat[:-1]
        else:
            np.not_equal(flat[1:], flat[:-1], out=rest)
    starts = np.flatnonzero(starts_here)
    return starts, np.diff(starts, append=starts_here.size)


def _sums(
    keys: np.ndarray, numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distinct keys, ascending, and the sum of the numbers of each.

    Both are whole numbers from 0.
    """
    keys, numbers = keys.astype(np.uint64), numbers.astype(np.uint64)
    room = int(numbers.max()).bit_length()
    if int(keys.max()).bit_length() + room <= 64:
        # Sorting both as one word is three times faster than an order.
        shift = np.uint64(room)
        words = np.sort(keys << shift | numbers)
        keys = words >> shift
        numbers = words & ((np.uint64(1) << shift) - np.uint64(1))
    else:
        order = np.argsort(keys)
        keys, numbers = keys[order], numbers[order]
    firsts = np.append(0, np.flatnonzero(keys[1:] != keys[:-1]) + 1)
    return keys[firsts], np.add.reduceat(numbers, firsts)


def _checked_map(ids: np.ndarray, whose: str, image_id: object) -> np.ndarray:
    ids = np.asarray(ids)
    if ids.ndim != 2 or not ids.size or ids.dtype.kind not in "iu":
        raise ValueError(
            f"In the image with ID {image_id} the {whose} map must be integer "
            f"[height, width]; got {ids.dtype} {list(ids.shape)}."
        )
    return ids


def _small_values(ids: np.ndarray, first: np.ndarray) -> np.ndarray:
    if ids.ndim != 2 or not ids.size or ids.dtype.kind not in "iu":
        raise ValueError(
            f"A label map must be integer [height, width]; got {ids.dtype} "
            f"{list(ids.shape)}."
        )
    if ids.shape != np.shape(first):
        raise ValueError(
            f"Label maps of one image differ in size: {list(np.shape(first))} "
            f"and {list(ids.shape)}."
        )
    if ids.dtype != np.uint8 and not 0 <= ids.min() <= ids.max() < 2**16:
        raise ValueError(
            f"Values of a label map must lie in 0..{_SMALL_LARGEST}; got "
            f"{ids.min()}..{ids.max()}."
        )
    return ids


def _same_size(
    truth: np.ndarray, predicted: np.ndarray, image_id: object
) -> list[np.ndarray]:
    if truth.shape == predicted.shape:
        return [truth, predicted]
    shapes = "({},{}) ({},{})".format(*truth.shape, *predicted.shape)
    try:
        both = np.broadcast_arrays(truth, predicted)
    except ValueError as error:
        raise ValueError(
            f"In the image with ID {image_id} truth and prediction differ in "
            f"size: operands could not be broadcast together with shapes "
            f"{shapes} "
        ) from error
    _log.warning(
        "In the image with ID %s truth and prediction differ in size, "
        "%s; the smaller one is repeated, as the official tool does.",
        image_id,
        shapes,
    )
    return list(both)


def _ids_at(
    ids: np.ndarray, positions: np.ndarray, image_id: object
) -> np.ndarray:
    found = ids.ravel()[positions]
    smallest, largest = int(found.min()), int(found.max())
    if smallest < 0 or largest > _LARGEST_ID:
        wrong = smallest if smallest < 0 else largest
        raise ValueError(
            f"In the image with ID {image_id} the segment id {wrong} is not "
            f"in 0..{_LARGEST_ID}."
        )
    return found.astype(np.uint64)
