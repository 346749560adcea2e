"""What may be wrong with COCO-panoptic segments: errors and doubts.

Errors are those of panopticapi, in its order and words. Doubts are data that
it counts in silence, although the result is then not what one would expect.
"""

import collections
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from axial_deeplab.evaluation.run_lengths import SegmentOverlaps

# The segment id of pixels without a label; no other id is special.
VOID_ID = 0

Segment = Mapping[str, Any]


def check_predictions(
    areas: Mapping[int, int],
    predictions: Mapping[int, Segment],
    categories: Collection[Any],
    where: str,
) -> None:
    """Raises the errors of the official tool, in its order and words.

    Args:
        areas: Pixels of each id in the predicted map, ascending.
        predictions: The listed segments by id.
        categories: The known category ids.
        where: Names the image in errors.

    Raises:
        KeyError: An id is in the map or in the list only, or a category is
            unknown or missing.
    """
    for segment_id in areas:
        if segment_id not in predictions:
            if segment_id == VOID_ID:
                continue
            raise KeyError(
                f"{where} segment with ID {segment_id} is presented in "
                f"PNG and not presented in JSON."
            )
        category = segment_field(predictions[segment_id], "category_id", where)
        if category not in categories:
            raise KeyError(
                f"{where} segment with ID {segment_id} has unknown "
                f"category_id {category}."
            )
    absent = [key for key in predictions if key not in areas]
    if absent:
        raise KeyError(
            f"{where} the following segment IDs {absent} are presented in "
            f"JSON and not presented in PNG."
        )


def segment_field(segment: Segment, name: str, where: str) -> Any:
    """A field of a segment; the KeyError names image and segment."""
    if name not in segment:
        raise KeyError(
            f"{where} the segment with ID {segment.get('id')} has no field "
            f"'{name}'."
        )
    return segment[name]


def segment_fields(
    segments: Collection[Segment], name: str, where: str
) -> list[Any]:
    """`segment_field` of each segment."""
    try:
        return [segment[name] for segment in segments]
    except KeyError:
        return [segment_field(segment, name, where) for segment in segments]


def doubts(
    overlaps: SegmentOverlaps,
    truth_segments: Sequence[Segment],
    predicted_segments: Sequence[Segment],
    where: str,
) -> Iterator[str]:
    """Lines about data of one image that the official rules count as it is.

    Listed are ids that come twice (the last counts) or are 0, and of the truth
    ids without an entry (no void: they stay in unions), entries without pixels
    (missed), areas that the map contradicts (the entry counts) and several
    crowds of one category (only the last excuses).
    """
    areas: collections.Counter = collections.Counter()
    for (truth_id, _), pixels in overlaps.pixels.items():
        areas[truth_id] += pixels
    yield from _double(truth_segments, f"{where} the truth")
    yield from _double(predicted_segments, f"{where} the prediction")
    truths = {segment["id"]: segment for segment in truth_segments}
    crowds: collections.Counter = collections.Counter()
    for key, truth in truths.items():
        if truth.get("iscrowd") == 1:
            crowds[truth.get("category_id")] += 1
        elif key not in areas:
            yield f"{where} the true segment {key} has no pixels: it is missed."
        elif truth.get("area", areas[key]) != areas[key]:
            yield (
                f"{where} the true segment {key} has the area {truth['area']} "
                f"in JSON and {areas[key]} in PNG: the former counts."
            )
    for category, number in crowds.items():
        if number > 1:
            yield (
                f"{where} {number} crowds are of the category {category}: only "
                f"the last excuses predictions."
            )
    for key in areas:
        if key not in truths and key != VOID_ID:
            yield (
                f"{where} the true segment {key} is not presented in JSON: it "
                f"is neither void nor an object."
            )


def _double(segments: Sequence[Segment], where: str) -> Iterator[str]:
    for key, number in collections.Counter(s["id"] for s in segments).items():
        if number > 1:
            yield f"{where} lists the segment {key} {number} times: last wins."
        if key == VOID_ID:
            yield f"{where} lists the segment 0, the id of void."
