"""Mean intersection over union of semantic labels.

The IoU of a class is TP / (TP + FP + FN) over all pixels of the data set with
a valid truth. A class in neither truth nor prediction has no IoU (NaN) and
enters no mean. A valid pixel predicted as no class at all is a miss of its
true class, as in the Cityscapes evaluation.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from axial_deeplab.evaluation import pixel_scores, run_lengths


class MeanIoU:
    """Accumulates a confusion matrix over label maps.

    `confusion` is int64 [num_classes, num_classes + 1]: truth by prediction,
    the last column counting the ignore label as a prediction.
    """

    def __init__(self, num_classes: int, ignore_label: int | None = None):
        if num_classes < 1:
            raise ValueError(f"`num_classes` must be >= 1; got {num_classes}.")
        self.num_classes, self.ignore_label = num_classes, ignore_label
        self.confusion = np.zeros((num_classes, num_classes + 1), np.int64)

    def update(
        self,
        truth: np.ndarray,
        predicted: np.ndarray,
        pixels: np.ndarray | None = None,
    ) -> None:
        """Adds labels of any, but equal, shape.

        Args:
            truth: Integer classes; `ignore_label` is left out.
            predicted: Integer classes; `ignore_label` is no class.
            pixels: How many pixels each entry stands for; None is 1.

        Raises:
            ValueError: Shapes differ, or a label is no class.
        """
        truth, predicted = np.asarray(truth), np.asarray(predicted)
        if truth.shape != predicted.shape:
            raise ValueError(
                f"Truth has the shape {list(truth.shape)}, the prediction "
                f"{list(predicted.shape)}."
            )
        no_class = self.num_classes
        rows = self._classes(truth, "true")
        columns = self._classes(predicted, "predicted")
        valid = rows != no_class
        cells = rows[valid] * (no_class + 1) + columns[valid]
        # Weights are float64: exact below 2**53 pixels an update.
        weights = None if pixels is None else np.asarray(pixels)[valid]
        counts = np.bincount(
            cells, weights=weights, minlength=self.confusion.size
        )
        self.confusion += counts.astype(np.int64).reshape(no_class, -1)

    def state(self) -> list[list[int]]:
        """The confusion, as JSON can hold it, for `add_state`."""
        return self.confusion.tolist()

    def add_state(self, state: Sequence[Sequence[int]]) -> None:
        """Adds the pixels behind a `state` of equal classes."""
        self.confusion += np.array(state, np.int64)

    def merge(self, other: "MeanIoU") -> None:
        """Adds the pixels of `other`."""
        mine = (self.num_classes, self.ignore_label)
        if mine != (other.num_classes, other.ignore_label):
            raise ValueError("Only metrics of equal classes can be merged.")
        self.confusion += other.confusion

    def result(self) -> dict[str, Any]:
        """Scores in 0..1, NaN where nothing was seen.

        Returns:
            `{"mean_iou": mean over the classes that have one, "per_class":
            {class: IoU}, "mean_accuracy": mean over the true classes of the
            share of their pixels that is right, "pixel_accuracy": that share
            of all pixels}`.
        """
        square = self.confusion[:, : self.num_classes]
        hits = np.diagonal(square).tolist()
        truths = self.confusion.sum(axis=1).tolist()
        founds = square.sum(axis=0).tolist()
        counts = list(zip(hits, truths, founds, strict=True))
        ious = [
            pixel_scores.ratio(hit, true + found - hit)
            for hit, true, found in counts
        ]
        accuracies = [pixel_scores.ratio(hit, true) for hit, true, _ in counts]
        return {
            "mean_iou": pixel_scores.mean(ious),
            "per_class": dict(enumerate(ious)),
            "mean_accuracy": pixel_scores.mean(accuracies),
            "pixel_accuracy": pixel_scores.ratio(sum(hits), sum(truths)),
        }

    def _classes(self, labels: np.ndarray, what: str) -> np.ndarray:
        """Labels as int64, the ignore label as `num_classes`."""
        if labels.dtype.kind not in "iu":
            raise ValueError(
                f"The {what} labels must be integers; got {labels.dtype}."
            )
        labels = labels.astype(np.int64)
        ignored = labels == self.ignore_label
        wrong = ~ignored & ((labels < 0) | (labels >= self.num_classes))
        if wrong.any():
            raise ValueError(
                f"The {what} label {labels[wrong][0]} is neither in 0.."
                f"{self.num_classes - 1} nor the ignore label "
                f"{self.ignore_label}."
            )
        return np.where(ignored, self.num_classes, labels)


class SegmentMeanIoU:
    """Mean IoU of panoptic maps, with the verbs of `PanopticQuality`.

    A pixel's class is the category of its segment. Truth that is void, not
    listed or of no known category is left out; crowd counts as its category.

    Args:
        categories: COCO-panoptic categories, mappings with `id`.
    """

    def __init__(self, categories: Iterable[Mapping[str, Any]]):
        ids = dict.fromkeys(category["id"] for category in categories)
        self._index = {key: index for index, key in enumerate(ids)}
        self._no_class = len(self._index)
        self._metric = MeanIoU(self._no_class, self._no_class)

    def update(
        self,
        truth_map: np.ndarray,
        truth_segments: Sequence[Mapping[str, Any]],
        predicted_map: np.ndarray,
        predicted_segments: Sequence[Mapping[str, Any]],
        image_id: object = None,
    ) -> None:
        """Adds one image; arguments as in `PanopticQuality.update`."""
        overlaps = run_lengths.segment_overlaps(
            truth_map, predicted_map, image_id
        )
        self.update_overlaps(overlaps, truth_segments, predicted_segments)

    def update_overlaps(
        self,
        overlaps: run_lengths.SegmentOverlaps,
        truth_segments: Sequence[Mapping[str, Any]],
        predicted_segments: Sequence[Mapping[str, Any]],
        image_id: object = None,
    ) -> None:
        """As `update`, from the overlaps of the two maps."""
        del image_id  # Nothing here can fail.
        truth_class = self._class_of(truth_segments)
        predicted_class = self._class_of(predicted_segments)
        rows, columns = [], []
        for truth_id, predicted_id in overlaps.pixels:
            rows.append(truth_class.get(truth_id, self._no_class))
            columns.append(predicted_class.get(predicted_id, self._no_class))
        pixels = np.array(list(overlaps.pixels.values()), np.int64)
        self._metric.update(np.array(rows), np.array(columns), pixels)

    @property
    def confusion(self) -> np.ndarray:
        """Pixels int64 [n, n + 1] in the order of the categories.

        Truth by prediction; the last column is what has no category.
        """
        return self._metric.confusion

    def state(self) -> list[list[int]]:
        """As `MeanIoU.state`."""
        return self._metric.state()

    def add_state(self, state: Sequence[Sequence[int]]) -> None:
        """Adds the pixels behind a `state` of equal categories."""
        self._metric.add_state(state)

    def merge(self, other: "SegmentMeanIoU") -> None:
        """Adds the pixels of `other`."""
        if self._index != other._index:
            raise ValueError("Only equal categories can be merged.")
        self._metric.merge(other._metric)

    def result(self) -> dict[str, Any]:
        """As `MeanIoU.result`, with category ids as keys of `per_class`."""
        result = self._metric.result()
        per_class = {
            key: result["per_class"][index]
            for key, index in self._index.items()
        }
        return {"mean_iou": result["mean_iou"], "per_class": per_class}

    def _class_of(self, segments: Sequence[Mapping[str, Any]]) -> dict:
        return {
            segment["id"]: self._index.get(
                segment["category_id"], self._no_class
            )
            for segment in segments
        }
