"""Keeps the images with the lowest scores, to be looked at."""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from axial_deeplab.evaluation.panoptic_quality import PanopticQuality
from axial_deeplab.evaluation.run_lengths import SegmentOverlaps


class WorstImages:
    """The images with the lowest scores seen so far.

    Args:
        number: How many to keep.
    """

    def __init__(self, number: int):
        self._number = number
        # A heap with the best of the kept ones at its top. The position
        # decides between equal scores, so names need no order.
        self._kept: list[tuple[float, int, Any]] = []
        self._seen = 0

    def add(self, name: Any, score: float) -> None:
        """Adds an image; one without anything to score (NaN) is no bad one."""
        self._seen += 1
        if math.isnan(score) or not self._number:
            return
        heapq.heappush(self._kept, (-score, -self._seen, name))
        if len(self._kept) > self._number:
            heapq.heappop(self._kept)

    def worst_first(self) -> list[tuple[Any, float]]:
        """Name and score of the kept images."""
        ranked = sorted(self._kept, reverse=True)
        return [(name, -score) for score, _, name in ranked]


class WorstPanopticImages(WorstImages):
    """Images with the lowest panoptic quality, with a metric's verb.

    Args:
        number: How many to keep.
        categories: As in `PanopticQuality`.
    """

    def __init__(self, number: int, categories: Iterable[Mapping[str, Any]]):
        super().__init__(number)
        self._categories = list(categories)

    def update_overlaps(
        self,
        overlaps: SegmentOverlaps,
        truth_segments: Sequence[Mapping[str, Any]],
        predicted_segments: Sequence[Mapping[str, Any]],
        image_id: object = None,
    ) -> None:
        """Adds one image, as `PanopticQuality.update_overlaps`."""
        if not self._number:
            return
        one = PanopticQuality(self._categories)
        one.update_overlaps(
            overlaps, truth_segments, predicted_segments, image_id
        )
        self.add(image_id, one.result()["All"]["pq"])
