"""The pixel-level metrics of Cityscapes, counted as its scripts count them.

IoU of a class is TP / (TP + FP + FN) over all images. Truth of a label that is
not evaluated counts nowhere; predicting such a label on other truth is a miss.
The instance-weighted iIoU of a class with instances weighs TP and FN of each
true object with mean object size / its size; FP keep the weight 1.
"""

import collections
import math
from typing import Any

import numpy as np

from axial_deeplab.data.cityscapes_labels import (
    CITYSCAPES_LABELS,
    INSTANCE_DIVISOR,
    CityscapesLabel,
    label_of_instance_id,
)
from axial_deeplab.evaluation import pixel_scores, run_lengths

# The label without an id is in no image.
LABELS = tuple(label for label in CITYSCAPES_LABELS if label.id >= 0)
CATEGORIES = tuple(dict.fromkeys(label.category for label in LABELS))
_MEMBERS = {
    category: [label.id for label in LABELS if label.category == category]
    for category in CATEGORIES
}
_EVALUATED = tuple(label.id for label in LABELS if label.is_evaluated)
# Weighted scores exist where every label has instances: human and vehicle.
_INSTANCE_CATEGORIES = tuple(
    category
    for category in CATEGORIES
    if all(x.has_instances for x in LABELS if x.category == category)
)
_MEAN_PX = {label.id: label.mean_instance_px for label in LABELS}


class CityscapesPixelScores:
    """Accumulates class and category IoU and iIoU.

    `confusion` is int64 [34, 34], truth by prediction.
    """

    def __init__(self):
        self.confusion = np.zeros((len(LABELS), len(LABELS)), np.int64)
        self._found = pixel_scores.WeightedPixels(_MEAN_PX)
        self._found_category = pixel_scores.WeightedPixels(_MEAN_PX)

    def update(
        self,
        truth_labels: np.ndarray,
        truth_instances: np.ndarray,
        predicted_labels: np.ndarray,
        image_id: object = None,
    ) -> None:
        """Adds one image.

        Args:
            truth_labels: Label ids [H, W].
            truth_instances: Values of the instance image [H, W].
            predicted_labels: Label ids [H, W], not train ids.
            image_id: Names the image in errors.

        Raises:
            ValueError: Sizes differ, the prediction has several channels, or
                the truth holds an unknown label (the official tool prints
                these words and ends the process).
            IndexError: A predicted value is above 33.
            KeyError: An object has an unknown label or one without a mean
                size.
        """
        where = f"In the image {image_id}:"
        pixel_scores.check_sizes(truth_labels, predicted_labels, where)
        counts = run_lengths.value_counts(
            truth_labels, truth_instances, predicted_labels
        )
        pairs: collections.Counter = collections.Counter()
        for (truth, _, predicted), pixels in counts.items():
            pairs[truth, predicted] += pixels
        _check_labels(pairs, len(LABELS), where)
        objects = _objects(counts, where)
        # All checks are behind us: a refused image leaves no trace.
        for cell, pixels in pairs.items():
            self.confusion[cell] += pixels
        for label, pixels, hits, category_hits in objects:
            self._found.add(label, pixels, hits)
            self._found_category.add(label, pixels, category_hits)

    def merge(self, other: "CityscapesPixelScores") -> None:
        """Adds the images of `other`, exactly as if they were counted here."""
        self.confusion += other.confusion
        self._found.merge(other._found)
        self._found_category.merge(other._found_category)

    def pixel_accuracy(self) -> float:
        """Share of the pixels of evaluated labels that is right."""
        return pixel_scores.accuracy(self.confusion, _EVALUATED)

    def result(self) -> dict[str, Any]:
        """All scores in 0..1, NaN where there are none, by the official keys.

        Returns:
            `confMatrix` (rows are the truth), `priors` and `labels` (share of
            all pixels and id by label name), `classScores` and
            `classInstScores` (IoU and iIoU by label name), `categoryScores`
            and `categoryInstScores` (by category), and their means over what
            is not NaN: `averageScoreClasses`, `averageScoreInstClasses`,
            `averageScoreCategories` and `averageScoreInstCategories`.
        """
        classes = {x.name: self._class_iou(x) for x in LABELS}
        class_iious = {x.name: self._class_iiou(x) for x in LABELS}
        categories = {name: self._category_iou(name) for name in CATEGORIES}
        category_iious = {
            name: self._category_iiou(name) for name in CATEGORIES
        }
        rows, total = self.confusion.sum(axis=1), int(self.confusion.sum())
        return {
            "confMatrix": self.confusion.tolist(),
            "priors": {
                x.name: pixel_scores.ratio(int(rows[x.id]), total)
                for x in LABELS
            },
            "labels": {x.name: x.id for x in LABELS},
            "classScores": classes,
            "classInstScores": class_iious,
            "categoryScores": categories,
            "categoryInstScores": category_iious,
            "averageScoreClasses": pixel_scores.mean(classes.values()),
            "averageScoreInstClasses": pixel_scores.mean(class_iious.values()),
            "averageScoreCategories": pixel_scores.mean(categories.values()),
            "averageScoreInstCategories": pixel_scores.mean(
                category_iious.values()
            ),
        }

    def _class_iou(self, label: CityscapesLabel) -> float:
        if not label.is_evaluated:
            return math.nan
        return self._iou([label.id])

    def _category_iou(self, category: str) -> float:
        members = [x for x in _MEMBERS[category] if x in _EVALUATED]
        return self._iou(members) if members else math.nan

    def _iou(self, members: list[int]) -> float:
        others = [x for x in _EVALUATED if x not in members]
        return pixel_scores.block_iou(self.confusion, members, others)

    def _class_iiou(self, label: CityscapesLabel) -> float:
        if not (label.is_evaluated and label.has_instances):
            return math.nan
        return self._iiou(self._found, [label.id])

    def _category_iiou(self, category: str) -> float:
        if category not in _INSTANCE_CATEGORIES:
            return math.nan
        # Unlike in the IoU, caravans and trailers predicted on a vehicle hit.
        return self._iiou(self._found_category, _MEMBERS[category])

    def _iiou(
        self, pixels: pixel_scores.WeightedPixels, members: list[int]
    ) -> float:
        found, missed = pixels.sums(members)
        others = [x for x in _EVALUATED if x not in members]
        false = pixel_scores.false_positives(self.confusion, members, others)
        return pixel_scores.ratio(found, found + missed + false)


def _check_labels(
    pairs: dict[tuple[int, int], int], num_labels: int, where: str
) -> None:
    """Raises the error of the first (truth, prediction) with a wrong label."""
    for truth, predicted in sorted(pairs):
        if truth >= num_labels:
            raise ValueError(f"{where} Unknown label with id {truth} in truth.")
        if predicted >= num_labels:
            raise IndexError(
                f"{where} unknown predicted label: index {predicted} is out of "
                f"bounds for axis 0 with size {num_labels}"
            )


def _objects(
    counts: dict[tuple[int, int, int], int], where: str
) -> list[tuple[int, int, int, int]]:
    """Label, pixels, hits and category hits of each true object."""
    found: dict[int, list[int]] = {}
    for (_, instance_id, predicted), pixels in counts.items():
        # The official comparison is strict.
        if instance_id <= INSTANCE_DIVISOR:
            continue
        label = _evaluated_label(instance_id, where)
        if label is None:
            continue
        numbers = found.setdefault(instance_id, [label.id, 0, 0, 0])
        numbers[1] += pixels
        numbers[2] += pixels * (predicted == label.id)
        numbers[3] += pixels * (predicted in _MEMBERS[label.category])
    return [tuple(numbers) for numbers in found.values()]


def _evaluated_label(instance_id: int, where: str) -> CityscapesLabel | None:
    try:
        label = label_of_instance_id(instance_id)
    except KeyError as error:
        raise KeyError(f"{where} {error.args[0]}") from error
    if not label.is_evaluated:
        return None
    if label.mean_instance_px is None:
        raise KeyError(
            f"{where} the instance id {instance_id} numbers an object of "
            f"'{label.name}', which has no instances."
        )
    return label
