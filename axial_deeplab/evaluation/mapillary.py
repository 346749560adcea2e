"""IoU, iIoU and average precision of Mapillary Vistas by its own rules.

Unlike in Cityscapes, predicting the void label is no miss: its rows and
columns leave the confusion matrix. Average precision compares with >=, knows no
groups, and is 0 for a class that is predicted but never true. (The public
script divides as Python 2 does; these are its rules on whole numbers.)
"""

import collections
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from axial_deeplab.data.mapillary_labels import (
    EVALUATED_LABELS,
    INSTANCE_DIVISOR,
    MAPILLARY_LABELS,
    MapillaryLabel,
)
from axial_deeplab.evaluation import (
    average_precision,
    pixel_scores,
    run_lengths,
)
from axial_deeplab.evaluation.average_precision import (
    THRESHOLDS,
    PredictedMask,
    Targets,
    TruthObject,
)

_EVALUATED = tuple(label.id for label in EVALUATED_LABELS)
_WITH_INSTANCES = {x.id: x for x in EVALUATED_LABELS if x.has_instances}


class MapillaryPixelScores:
    """Accumulates IoU and iIoU of classes and of two levels of groups.

    `confusion` is int64 [66, 66], truth by prediction.
    """

    def __init__(self):
        number = len(MAPILLARY_LABELS)
        self.confusion = np.zeros((number, number), np.int64)
        self._found = pixel_scores.WeightedPixels(
            {key: x.mean_instance_px for key, x in _WITH_INSTANCES.items()}
        )

    def update(
        self,
        truth_instances: np.ndarray,
        predicted_labels: np.ndarray,
        image_id: object = None,
    ) -> None:
        """Adds one image.

        Args:
            truth_instances: Values of the instance image [H, W].
            predicted_labels: Labels [H, W].
            image_id: Names the image in errors.

        Raises:
            ValueError: Sizes differ, or a label is above 65.
        """
        where = f"In the image {image_id}:"
        pixel_scores.check_sizes(truth_instances, predicted_labels, where)
        counts = run_lengths.value_counts(truth_instances, predicted_labels)
        for truth, predicted in counts:
            _check_label(truth // INSTANCE_DIVISOR, f"{where} the true")
            _check_label(predicted, f"{where} the predicted")
        objects: dict[int, list[int]] = {}
        for (truth, predicted), pixels in counts.items():
            label = truth // INSTANCE_DIVISOR
            self.confusion[label, predicted] += pixels
            if label in _WITH_INSTANCES:
                numbers = objects.setdefault(truth, [label, 0, 0])
                numbers[1] += pixels
                numbers[2] += pixels * (predicted == label)
        for numbers in objects.values():
            self._found.add(*numbers)

    def merge(self, other: "MapillaryPixelScores") -> None:
        """Adds the images of `other`, exactly as if they were counted here."""
        self.confusion += other.confusion
        self._found.merge(other._found)

    def pixel_accuracy(self) -> float:
        """Share of the pixels of evaluated labels that is right."""
        return pixel_scores.accuracy(self.confusion, _EVALUATED)

    def result(self) -> dict[str, dict[str, Any]]:
        """Scores in 0..1, NaN where there are none.

        Returns:
            `{"classes": level, "groups": level, "top_groups": level}` with
            level = `{"iou": {name: IoU}, "iiou": {name: iIoU}, "mean_iou",
            "mean_iiou"}`. Groups are names cut after two and after one part;
            `iiou` has those whose members all have instances.
        """
        return {
            "classes": self._level(lambda name: name),
            "groups": self._level(lambda name: "--".join(name.split("--")[:2])),
            "top_groups": self._level(lambda name: name.split("--")[0]),
        }

    def _level(self, group_of: Callable[[str], str]) -> dict[str, Any]:
        groups: dict[str, list[MapillaryLabel]] = {}
        for label in EVALUATED_LABELS:
            groups.setdefault(group_of(label.name), []).append(label)
        # Only evaluated truth and predictions are left.
        kept = np.zeros_like(self.confusion)
        cells = np.ix_(_EVALUATED, _EVALUATED)
        kept[cells] = self.confusion[cells]
        iou, iiou = {}, {}
        for name, labels in groups.items():
            members = [label.id for label in labels]
            others = [key for key in _EVALUATED if key not in members]
            iou[name] = pixel_scores.block_iou(kept, members, others)
            if all(label.has_instances for label in labels):
                found, missed = self._found.sums(members)
                false = pixel_scores.false_positives(kept, members, others)
                whole = found + missed + false
                iiou[name] = pixel_scores.ratio(found, whole)
        return {
            "iou": iou,
            "iiou": iiou,
            "mean_iou": pixel_scores.mean(iou.values()),
            "mean_iiou": pixel_scores.mean(iiou.values()),
        }


class MapillaryInstancePrecision:
    """Accumulates the average precision of instance masks."""

    def __init__(self):
        # By label.
        self._images: dict[int, list] = collections.defaultdict(list)

    def update(
        self,
        truth_instances: np.ndarray,
        masks: Iterable[PredictedMask],
        image_id: object = None,
    ) -> None:
        """Adds one image.

        Args:
            truth_instances: Values of the instance image [H, W].
            masks: The predictions, which may overlap. Those of labels without
                instances are left out.
            image_id: Names the image in errors.

        Raises:
            ValueError: A label is above 65, a mask has another size than the
                truth, or a score is NaN.
        """
        where = f"In the image {image_id}"
        truth_map = np.asarray(truth_instances)
        areas = run_lengths.value_counts(truth_map)
        truths, ignored = {}, set()
        for (key,), pixels in areas.items():
            label = key // INSTANCE_DIVISOR
            _check_label(label, f"{where}: the true")
            if label in _WITH_INSTANCES:
                truths[key] = label, TruthObject(pixels)
            elif label not in _EVALUATED:
                ignored.add(key)
        evaluated = (x for x in masks if is_evaluated(x.label_id, where))
        objects = average_precision.image_objects(
            truth_map, truths, ignored, evaluated, where
        )
        for label, image in objects.items():
            self._images[label].append(image)

    def merge(self, other: "MapillaryInstancePrecision") -> None:
        """Adds the images of `other`, exactly as if they were counted here."""
        for label, images in other._images.items():
            self._images[label] += images

    def result(self) -> dict[str, Any]:
        """Average precisions in 0..1, NaN where there are none.

        Returns:
            `{"ap": mean, "ap50": mean, "classes": {name: {"ap", "ap50"}}}`,
            means over the classes that have a target or a prediction.
        """
        classes = {}
        for key, label in _WITH_INSTANCES.items():
            values = [
                average_precision.average_precision(
                    self._images.get(key, ()),
                    threshold,
                    Targets(),
                    average_precision.MAPILLARY_RULES,
                )
                for threshold in THRESHOLDS
            ]
            classes[label.name] = {
                "ap": float(np.mean(values)),
                "ap50": values[0],
            }
        return {
            name: pixel_scores.mean(one[name] for one in classes.values())
            for name in ("ap", "ap50")
        } | {"classes": classes}


def is_evaluated(label_id: int, where: str) -> bool:
    """Whether masks of a label are scored; a ValueError if there is none."""
    _check_label(label_id, f"{where}: a mask's")
    return label_id in _WITH_INSTANCES


def _check_label(label: int, whose: str) -> None:
    if not 0 <= label < len(MAPILLARY_LABELS):
        raise ValueError(
            f"{whose} label {label} is not in 0..{len(MAPILLARY_LABELS) - 1}."
        )
