"""Average precision of Cityscapes instances, counted as its scripts count it.

Classes are the eight with instances that are evaluated. Regions of a class
without numbers (groups), objects below 100 pixels and labels that are not
evaluated excuse what lies on them; a numbered caravan or trailer does not.
"""

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from axial_deeplab.data.cityscapes_labels import (
    CITYSCAPES_LABELS,
    INSTANCE_DIVISOR,
    LABEL_BY_ID,
    label_of_instance_id,
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

LABELS = tuple(
    label
    for label in CITYSCAPES_LABELS
    if label.has_instances and label.is_evaluated
)
_LABEL_IDS = frozenset(label.id for label in LABELS)
_IGNORED = frozenset(x.id for x in CITYSCAPES_LABELS if not x.is_evaluated)
_ALL, _WITHIN_100_M, _WITHIN_50_M = (
    Targets(),
    Targets(1000, 100.0, 0.5),
    Targets(1000, 50.0, 0.5),
)


class CityscapesInstancePrecision:
    """Accumulates the average precision of instance masks.

    Args:
        with_distances: Also score what lies within 100 m and 50 m.
    """

    def __init__(self, with_distances: bool = False):
        self._targets = [_ALL]
        if with_distances:
            self._targets += [_WITHIN_100_M, _WITHIN_50_M]
        # By label id.
        self._images: dict[int, list] = collections.defaultdict(list)

    def update(
        self,
        truth_instances: np.ndarray,
        masks: Iterable[PredictedMask],
        image_id: object = None,
        distances: Mapping[int, tuple[float, float]] | None = None,
    ) -> None:
        """Adds one image.

        Args:
            truth_instances: Values of the instance image [H, W].
            masks: The predictions, with label ids, not train ids; they may
                overlap. Those of labels that are not evaluated are left out.
            image_id: Names the image in errors.
            distances: Distance in metres and its confidence by instance id;
                what is missing lies at -1 m with confidence 0.

        Raises:
            KeyError: A label id is unknown, in truth or prediction.
            ValueError: A mask has another size than the truth, or a score is
                NaN.
        """
        where = f"In the image {image_id}"
        truth_map = np.asarray(truth_instances)
        areas = run_lengths.value_counts(truth_map)
        truths = {
            key: _truth(key, pixels, (distances or {}).get(key, ()))
            for (key,), pixels in areas.items()
            if _label_id(key, where) in _LABEL_IDS
        }
        objects = average_precision.image_objects(
            truth_map, truths, _IGNORED, _evaluated(masks, where), where
        )
        for label_id, image in objects.items():
            self._images[label_id].append(image)

    def merge(self, other: "CityscapesInstancePrecision") -> None:
        """Adds the images of `other`, exactly as if they were counted here."""
        if self._targets != other._targets:
            raise ValueError("Only metrics of equal distances can be merged.")
        for label_id, images in other._images.items():
            self._images[label_id] += images

    def result(self) -> dict[str, Any]:
        """Average precisions in 0..1, NaN where there are none.

        Returns:
            By the official keys: `averages` with `allAp`, `allAp50%`, and
            `classes` with `ap` and `ap50%` by label name; with distances also
            `allAp100m`, `allAp50m`, `allAp50%50m` and those of each class.
            `resultApMatrix` holds all values [distances, classes, overlaps],
            `instLabels` and `overlaps` name its axes, and `minRegionSizes`,
            `distanceThresholds` and `minStereoDensities` say what a target is.
        """
        matrix = [
            [
                [
                    average_precision.average_precision(
                        self._images.get(label.id, ()),
                        threshold,
                        targets,
                        average_precision.CITYSCAPES_RULES,
                    )
                    for threshold in THRESHOLDS
                ]
                for label in LABELS
            ]
            for targets in self._targets
        ]
        return {
            "averages": _averages(np.array(matrix)),
            "overlaps": list(THRESHOLDS),
            "minRegionSizes": [x.min_pixels for x in self._targets],
            "distanceThresholds": [x.max_distance_m for x in self._targets],
            "minStereoDensities": [
                x.min_distance_confidence for x in self._targets
            ],
            "instLabels": [label.name for label in LABELS],
            "resultApMatrix": matrix,
        }


def is_evaluated(label_id: int, where: str) -> bool:
    """Whether masks of a label are scored; a KeyError if there is none."""
    if label_id not in LABEL_BY_ID:
        raise KeyError(f"{where} a mask has the unknown label id {label_id}.")
    return label_id in _LABEL_IDS


def _evaluated(
    masks: Iterable[PredictedMask], where: str
) -> Iterator[PredictedMask]:
    return (mask for mask in masks if is_evaluated(mask.label_id, where))


def _label_id(instance_id: int, where: str) -> int:
    try:
        return label_of_instance_id(instance_id).id
    except KeyError as error:
        raise KeyError(f"{where}: {error.args[0]}") from error


def _truth(
    instance_id: int, pixels: int, distance: tuple[float, ...]
) -> tuple[int, TruthObject]:
    is_group = instance_id < INSTANCE_DIVISOR
    label = label_of_instance_id(instance_id)
    return label.id, TruthObject(pixels, is_group, *distance)


def _averages(matrix: np.ndarray) -> dict[str, Any]:
    """Means of [distances, classes, overlaps]; the first overlap is 0.5."""
    parts = {"": matrix[0], "50%": matrix[0][:, :1]}
    if len(matrix) > 1:
        near, nearest = matrix[1:]
        parts |= {"50m": nearest, "100m": near, "50%50m": nearest[:, :1]}
    classes = {
        label.name: {
            f"ap{part}": float(np.mean(values[index]))
            for part, values in parts.items()
        }
        for index, label in enumerate(LABELS)
    }
    means = {
        f"allAp{part}": pixel_scores.mean(values.ravel().tolist())
        for part, values in parts.items()
    }
    return means | {"classes": classes}
