"""Panoptic quality (arXiv:1801.00868), counted as panopticapi counts it.

Per category, over the whole data set: PQ = sum of matched IoUs / (TP + FP/2 +
FN/2), SQ = mean matched IoU, RQ = TP / (TP + FP/2 + FN/2). A truth and a
prediction of one category match when their IoU is above 0.5.
"""

import collections
import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from axial_deeplab.evaluation import run_lengths
from axial_deeplab.evaluation.panoptic_checks import (
    VOID_ID,
    Segment,
    check_predictions,
    segment_field,
    segment_fields,
)


@dataclasses.dataclass(frozen=True)
class CategoryCounts:
    """Matches of one category: `iou` is the sum over the `tp` matches."""

    iou: float
    tp: int
    fp: int
    fn: int


@dataclasses.dataclass
class _Tally:
    ious: list[float] = dataclasses.field(default_factory=list)
    fp: int = 0
    fn: int = 0

    def counts(self) -> CategoryCounts:
        # fsum rounds once, so the order of images and merges cannot matter.
        return CategoryCounts(
            math.fsum(self.ious), len(self.ious), self.fp, self.fn
        )


class PanopticQuality:
    """Accumulates panoptic quality over images.

    Args:
        categories: COCO-panoptic categories, mappings with `id` and `isthing`
            (a thing has 1, everything else is stuff).
    """

    def __init__(self, categories: Iterable[Mapping[str, Any]]):
        self.categories: dict[Any, Mapping[str, Any]] = {}
        for category in categories:
            for name in ("id", "isthing"):
                if name not in category:
                    raise ValueError(f"No `{name}` in the category {category}.")
            self.categories[category["id"]] = category
        self._tallies: dict[Any, _Tally] = collections.defaultdict(_Tally)

    def update(
        self,
        truth_map: np.ndarray,
        truth_segments: Sequence[Segment],
        predicted_map: np.ndarray,
        predicted_segments: Sequence[Segment],
        image_id: object = None,
    ) -> None:
        """Adds one image.

        Args:
            truth_map: Segment ids [H, W]; 0 is void.
            truth_segments: Mappings with `id`, `category_id`, `iscrowd` and,
                unless crowd, `area` in pixels, which is believed. The last of
                several crowds of a category is the one that excuses.
            predicted_map: Segment ids [H, W], unrelated to those of the truth.
            predicted_segments: Mappings with `id` and `category_id`.
            image_id: Names the image in errors.

        Raises:
            KeyError: A predicted id is in the map or in the list only, a
                category is unknown, or a field is missing.
            ValueError: The maps are no integer maps of one size.
        """
        overlaps = run_lengths.segment_overlaps(
            truth_map, predicted_map, image_id
        )
        self.update_overlaps(
            overlaps, truth_segments, predicted_segments, image_id
        )

    def update_overlaps(
        self,
        overlaps: run_lengths.SegmentOverlaps,
        truth_segments: Sequence[Segment],
        predicted_segments: Sequence[Segment],
        image_id: object = None,
    ) -> None:
        """As `update`, from the overlaps of the two maps."""
        where = f"In the image with ID {image_id}"
        # Of entries with one id the last counts, at the place of the first.
        truths, predictions = (
            {segment_field(one, "id", where): one for one in segments}
            for segments in (truth_segments, predicted_segments)
        )
        check_predictions(
            overlaps.predicted_areas, predictions, self.categories, where
        )
        matches = segment_matches(overlaps, truths, predictions, where)
        missed, crowds = _missed_and_crowds(
            truths, {truth_id for truth_id, _, _ in matches}, where
        )
        false = _false_positives(
            overlaps,
            predictions,
            {predicted_id for _, predicted_id, _ in matches},
            crowds,
        )
        # All checks are behind us: a refused image leaves no trace.
        for _, predicted_id, iou in matches:
            category_id = predictions[predicted_id]["category_id"]
            self._tallies[category_id].ious.append(iou)
        for category_id in missed:
            self._tallies[category_id].fn += 1
        for category_id in false:
            self._tallies[category_id].fp += 1

    def state(self) -> list[list]:
        """Numbers of each category, as JSON holds them, for `add_state`."""
        return [[k, *dataclasses.astuple(t)] for k, t in self._tallies.items()]

    def add_state(self, state: Iterable[Sequence]) -> None:
        """Adds the images behind a `state` of equal categories."""
        for category_id, *numbers in state:
            mine = self._tallies[category_id]
            both = zip(dataclasses.astuple(mine), numbers, strict=True)
            self._tallies[category_id] = _Tally(*(a + b for a, b in both))

    def merge(self, other: "PanopticQuality") -> None:
        """Adds the images of `other`, exactly as if they were counted here."""
        if self.categories != other.categories:
            raise ValueError("Only equal categories can be merged.")
        self.add_state(other.state())

    def counts(self) -> dict[Any, CategoryCounts]:
        """Raw counts by category id; a category without any is left out.

        Truth of a category outside `categories` is counted here although it
        enters no result.
        """
        return {key: tally.counts() for key, tally in self._tallies.items()}

    def result(self) -> dict[str, dict]:
        """Panoptic quality in 0..1, in the structure of panopticapi.

        Returns:
            `{"All": group, "Things": group, "Stuff": group, "per_class":
            {category id: {"pq", "sq", "rq"}}}` with group = `{"pq", "sq",
            "rq", "n"}`: means over the `n` categories that have counts. A
            group with n = 0 is NaN (where panopticapi divides by zero), a
            category without counts has 0 in `per_class`.
        """
        return _quality_of_counts(self.categories, self.counts())


def _quality_of_counts(
    categories: Mapping[Any, Mapping[str, Any]],
    counts: Mapping[Any, CategoryCounts],
) -> dict[str, dict]:
    """`PanopticQuality.result` of counts."""
    per_class = {
        key: _quality(counts.get(key, CategoryCounts(0.0, 0, 0, 0)))
        for key in categories
    }
    # Only 1 makes a thing (True equals 1, 2 does not).
    things = {k for k, c in categories.items() if c["isthing"] == 1}
    counted = [key for key in categories if key in counts]
    groups = {
        "All": counted,
        "Things": [key for key in counted if key in things],
        "Stuff": [key for key in counted if key not in things],
    }
    means = {
        name: _mean([per_class[key] for key in keys])
        for name, keys in groups.items()
    }
    return means | {"per_class": per_class}


def segment_matches(
    overlaps: run_lengths.SegmentOverlaps,
    truths: Mapping[int, Segment],
    predictions: Mapping[int, Segment],
    where: str,
) -> list[tuple[int, int, float]]:
    """(truth id, predicted id, IoU) of all pairs with IoU > 0.5.

    Segments are given by their ids; a KeyError names a missing field.
    """
    category_of = {
        key: category
        for key, category, is_crowd in _listed(truths, where)
        if not is_crowd
    }
    found = {key: one["category_id"] for key, one in predictions.items()}
    no_truth, no_prediction = object(), object()
    matches = []
    for (truth_id, predicted_id), pixels in overlaps.pixels.items():
        category = category_of.get(truth_id, no_truth)
        if category != found.get(predicted_id, no_prediction):
            continue
        try:
            union = (
                overlaps.predicted_areas[predicted_id]
                + truths[truth_id]["area"]
                - pixels
                - overlaps.pixels.get((VOID_ID, predicted_id), 0)
            )
        except (KeyError, TypeError) as error:
            area = segment_field(truths[truth_id], "area", where)
            raise ValueError(
                f"{where} the segment with ID {truth_id} has the area {area!r}."
            ) from error
        # Only a wrong `area` makes the union 0; the official result is inf.
        iou = pixels / union if union else math.inf
        if iou > 0.5:
            matches.append((truth_id, predicted_id, iou))
    return matches


def _missed_and_crowds(
    truths: Mapping[int, Segment], matched: set[int], where: str
) -> tuple[list[Any], dict[Any, int]]:
    """Categories of the missed truths, and the crowd id by category."""
    missed, crowds = [], {}
    for truth_id, category, is_crowd in _listed(truths, where):
        if is_crowd:
            # The last crowd of a category replaces the ones before it.
            crowds[category] = truth_id
        elif truth_id not in matched:
            missed.append(category)
    return missed, crowds


def _listed(
    truths: Mapping[int, Segment], where: str
) -> Iterator[tuple[int, Any, bool]]:
    """Id, category and whether it is a crowd, of each truth."""
    crowd_flags = segment_fields(truths.values(), "iscrowd", where)
    categories = segment_fields(truths.values(), "category_id", where)
    for key, category, flag in zip(
        truths, categories, crowd_flags, strict=True
    ):
        # Only 1 makes a crowd (True equals 1, 2 does not).
        yield key, category, flag == 1


def _false_positives(
    overlaps: run_lengths.SegmentOverlaps,
    predictions: Mapping[int, Segment],
    matched: set[int],
    crowds: Mapping[Any, int],
) -> list[Any]:
    """Categories of unmatched predictions not mostly on void or crowd."""
    false = []
    for predicted_id, prediction in predictions.items():
        if predicted_id in matched:
            continue
        category = prediction["category_id"]
        excused = overlaps.pixels.get((VOID_ID, predicted_id), 0)
        if category in crowds:
            crowd_pair = (crowds[category], predicted_id)
            excused += overlaps.pixels.get(crowd_pair, 0)
        if excused / overlaps.predicted_areas[predicted_id] <= 0.5:
            false.append(category)
    return false


def _quality(counts: CategoryCounts) -> dict[str, float]:
    weight = counts.tp + 0.5 * counts.fp + 0.5 * counts.fn
    return {
        "pq": counts.iou / weight if weight else 0.0,
        "sq": counts.iou / counts.tp if counts.tp else 0.0,
        "rq": counts.tp / weight if weight else 0.0,
    }


def _mean(qualities: Sequence[Mapping[str, float]]) -> dict[str, float]:
    number = len(qualities)
    return {
        name: math.fsum(q[name] for q in qualities) / number
        if number
        else math.nan
        for name in ("pq", "sq", "rq")
    } | {"n": number}
