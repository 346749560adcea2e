"""Counts the segments of label maps by their runs of equal pixels.

Label maps are flat almost everywhere. Finding where a value changes costs one
comparison a pixel; sorting and counting then touch the few thousand runs
instead of all pixels, at any size of the ids and with any NumPy version.
"""

import collections
import dataclasses
import logging

import numpy as np

_log = logging.getLogger(__name__)

_LARGEST_ID = 2**32 - 1
# Three values of a 16-bit image in one int64.
_SMALL_BITS, _SMALL_LARGEST = np.uint64(16), np.uint64(2**16 - 1)
# Pixels compared at a time, so that intermediate results stay in the cache.
_BLOCK_PX = 2**17


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
    keys, sums = _sums(truth_ids << shift | predicted_ids, lengths)
    largest = (np.uint64(1) << shift) - np.uint64(1)
    of_truth, counts = (keys >> shift).tolist(), sums.tolist()
    of_prediction = (keys & largest).tolist()
    areas: dict[int, int] = collections.defaultdict(int)
    for key, count in zip(of_prediction, counts, strict=True):
        areas[key] += count
    pairs = zip(of_truth, of_prediction, strict=True)
    return SegmentOverlaps(
        dict(zip(pairs, counts, strict=True)),
        {key: n * area // truth.size for key, n in sorted(areas.items())},
    )


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
    return starts, _lengths(starts, starts_here.size)


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


@dataclasses.dataclass(frozen=True)
class ValueTable:
    """The N distinct values of a map [H, W], ascending, and where they are.

    `areas` int64 [N] are in pixels, `boxes` int64 [N, 4] are (x, y, width,
    height). The runs of the map follow each other as in memory: `which` says
    which value a run has, `lengths` how long it is.
    """

    values: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray
    which: np.ndarray
    lengths: np.ndarray
    shape: tuple[int, int]

    def painted(self, values: np.ndarray) -> np.ndarray:
        """The map with other values [N] in place of these."""
        return np.repeat(values[self.which], self.lengths).reshape(self.shape)


def value_table(ids: np.ndarray) -> ValueTable:
    """Describes an integer map [H, W]."""
    starts, lengths = runs(ids)
    values, which = np.unique(ids.ravel()[starts], return_inverse=True)
    areas = np.bincount(which, weights=lengths).astype(np.int64)
    boxes = _boxes(starts, lengths, which, ids.shape[1])
    return ValueTable(values, areas, boxes, which, lengths, ids.shape)


def _boxes(
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
    flats = [ids.ravel() for ids in maps]
    starts_here = np.empty(flats[0].size, bool)
    starts_here[0] = True
    scratch = np.empty(_BLOCK_PX, bool)
    for begin in range(1, starts_here.size, _BLOCK_PX):
        here = starts_here[begin : begin + _BLOCK_PX]
        end = begin + here.size
        np.not_equal(
            flats[0][begin:end], flats[0][begin - 1 : end - 1], out=here
        )
        for flat in flats[1:]:
            other = scratch[: here.size]
            np.not_equal(flat[begin:end], flat[begin - 1 : end - 1], out=other)
            here |= other
    starts = np.flatnonzero(starts_here)
    return starts, _lengths(starts, starts_here.size)


def _lengths(starts: np.ndarray, size: int) -> np.ndarray:
    """From each start to the next one, and from the last to `size`."""
    lengths = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=lengths[:-1])
    lengths[-1] = size - starts[-1]
    return lengths


def _sums(
    keys: np.ndarray, numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distinct keys, ascending, and the sum of the numbers of each.

    Both are whole numbers from 0.
    """
    keys = keys.astype(np.uint64, copy=False)
    numbers = numbers.astype(np.uint64)
    room = int(numbers.max()).bit_length()
    if int(keys.max()).bit_length() + room <= 64:
        # Sorting both as one word is three times faster than an order.
        shift = np.uint64(room)
        words = keys << shift
        words |= numbers
        words.sort()
        keys = words >> shift
        words &= (np.uint64(1) << shift) - np.uint64(1)
        numbers = words
    else:
        order = np.argsort(keys)
        keys, numbers = keys[order], numbers[order]
    is_first = np.empty(len(keys), bool)
    is_first[0] = True
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    firsts = np.flatnonzero(is_first)
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
    if np.can_cast(found.dtype, np.uint32):
        return found.astype(np.uint64)
    smallest, largest = int(found.min()), int(found.max())
    if smallest < 0 or largest > _LARGEST_ID:
        wrong = smallest if smallest < 0 else largest
        raise ValueError(
            f"In the image with ID {image_id} the segment id {wrong} is not "
            f"in 0..{_LARGEST_ID}."
        )
    return found.astype(np.uint64)
