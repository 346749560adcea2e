"""COCO instance AP of panoptic predictions with scores, by pycocotools.

Every thing segment is an instance and its mask; crowds of the truth stay
crowds. Unlike in panoptic quality, a mask may be found at IoU 0.5 exactly, and
void excuses nothing.
"""

import contextlib
import dataclasses
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from axial_deeplab.evaluation import coco_masks, pixel_scores, run_lengths
from axial_deeplab.evaluation.panoptic_checks import (
    Segment,
    check_predictions,
    segment_field,
)

# The twelve numbers of pycocotools, in its order.
COCO_SCORES = (
    "ap",
    "ap50",
    "ap75",
    "ap_small",
    "ap_medium",
    "ap_large",
    "ar_1",
    "ar_10",
    "ar_100",
    "ar_small",
    "ar_medium",
    "ar_large",
)


@dataclasses.dataclass(frozen=True)
class _Image:
    """Annotations of one image as pycocotools knows them, without ids."""

    size: tuple[int, int]
    truths: list[dict[str, Any]]
    detections: list[dict[str, Any]]


class CocoInstancePrecision:
    """Accumulates COCO instance AP over images.

    Masks are kept as run lengths, some hundred bytes each. Detections count
    per image and class up to the 100 of the highest scores; of equal scores the
    one listed first comes first.

    Args:
        categories: COCO-panoptic categories, mappings with `id` and `isthing`;
            only things (`isthing` 1) have instances.
    """

    def __init__(self, categories: Iterable[Mapping[str, Any]]):
        self.categories = {one["id"]: one for one in categories}
        self._things = [
            key for key, one in self.categories.items() if one["isthing"] == 1
        ]
        self._images: dict[Any, _Image] = {}

    def update(
        self,
        truth_map: np.ndarray,
        truth_segments: Sequence[Segment],
        predicted_map: np.ndarray,
        predicted_segments: Sequence[Segment],
        image_id: Any,
    ) -> None:
        """Adds one image; arguments as in `PanopticQuality.update`.

        Predicted things need a `score` as well; areas are those of the maps.

        Raises:
            KeyError: As there, or a thing has no score.
            ValueError: The maps are no integer maps of one size, a score is no
                number, or the image came before.
        """
        where = f"In the image with ID {image_id}"
        predicted = np.asarray(predicted_map)
        coco_masks.check_size(np.shape(truth_map), predicted.shape, where)
        listed = {segment_field(s, "id", where): s for s in predicted_segments}
        check_predictions(
            run_lengths.segment_areas(predicted),
            listed,
            self.categories,
            where,
        )
        encode = coco_masks.segment_encoder(predicted)
        detections = [
            {
                "category_id": segment["category_id"],
                "segmentation": encode(key),
                "score": _score(segment, where),
            }
            for key, segment in listed.items()
            if segment["category_id"] in self._things
        ]
        self._add(truth_map, truth_segments, detections, image_id)

    def update_detections(
        self,
        truth_map: np.ndarray,
        truth_segments: Sequence[Segment],
        detections: Sequence[Mapping[str, Any]],
        image_id: Any,
    ) -> None:
        """Adds one image whose masks may overlap.

        Args:
            truth_map: Segment ids [H, W]; 0 is void.
            truth_segments: As in `PanopticQuality.update`.
            detections: COCO detections: mappings with `category_id`,
                `segmentation` (run lengths) and `score`. Those of no known
                thing are left out, as by pycocotools.
            image_id: Names the image.

        Raises:
            KeyError: A field is missing.
            ValueError: A mask is none or of another size than the truth, a
                score is no number, or the image came before.
        """
        where = f"In the image with ID {image_id}"
        kept = [
            {
                "category_id": one["category_id"],
                "segmentation": coco_masks.checked_mask(
                    one, np.shape(truth_map), where
                ),
                "score": _score(one, where),
            }
            for one in detections
            if segment_field(one, "category_id", where) in self._things
        ]
        self._add(truth_map, truth_segments, kept, image_id)

    def merge(self, other: "CocoInstancePrecision") -> None:
        """Adds the images of `other`, exactly as if they were counted here."""
        if self.categories != other.categories:
            raise ValueError("Only equal categories can be merged.")
        twice = self._images.keys() & other._images.keys()
        if twice:
            raise ValueError(f"Both metrics have the image {min(twice)!r}.")
        self._images |= other._images

    def result(self) -> dict[str, Any]:
        """The twelve COCO scores in 0..1, and AP by class.

        Returns:
            `COCO_SCORES` by name, and `per_class` with the AP of each thing by
            category id. What pycocotools calls -1 (no truth) is NaN.
        """
        # The order of pycocotools, whatever the order of updates and merges.
        ids = sorted(self._images, key=lambda one: (isinstance(one, str), one))
        images = [self._images[image_id] for image_id in ids]
        sizes = [image.size for image in images]
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(
                self._coco([image.truths for image in images], sizes),
                self._coco([image.detections for image in images], sizes),
                "segm",
            )
            evaluation.params.catIds = self._things
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        scores = map(_nan_for_nothing, evaluation.stats.tolist())
        # [thresholds, recalls, classes, areas, detections]
        precision = evaluation.eval["precision"][:, :, :, 0, -1]
        per_class = {
            key: _mean_precision(precision[:, :, index])
            for index, key in enumerate(evaluation.params.catIds)
        }
        return dict(zip(COCO_SCORES, scores, strict=True)) | {
            "per_class": {key: per_class[key] for key in self._things}
        }

    def _add(
        self,
        truth_map: np.ndarray,
        truth_segments: Sequence[Segment],
        detections: list[dict[str, Any]],
        image_id: Any,
    ) -> None:
        where = f"In the image with ID {image_id}"
        if image_id in self._images:
            raise ValueError(f"{where} something was counted before.")
        truth = np.asarray(truth_map)
        encode = coco_masks.segment_encoder(truth)
        listed = {segment_field(s, "id", where): s for s in truth_segments}
        truths = []
        for key, segment in listed.items():
            category = segment_field(segment, "category_id", where)
            if category not in self._things:
                continue
            truths.append(
                {
                    "category_id": category,
                    "segmentation": encode(key),
                    "iscrowd": int(
                        segment_field(segment, "iscrowd", where) == 1
                    ),
                }
            )
        self._images[image_id] = _Image(truth.shape, truths, detections)

    def _coco(
        self,
        annotations: list[list[dict[str, Any]]],
        sizes: list[tuple[int, int]],
    ) -> COCO:
        """A data set of pycocotools; images and annotations count from 1.

        An annotation id of 0 would mean "no match" there. Boxes are left out:
        with them, areas would be those of the boxes.
        """
        coco, rows = COCO(), []
        for image_id, of_image in enumerate(annotations, start=1):
            for annotation in of_image:
                area = float(mask_utils.area(annotation["segmentation"]))
                added = {"image_id": image_id, "id": len(rows) + 1}
                rows.append({"iscrowd": 0, "area": area} | annotation | added)
        coco.dataset = {
            "images": [
                {"id": image_id, "height": height, "width": width}
                for image_id, (height, width) in enumerate(sizes, start=1)
            ],
            "annotations": rows,
            "categories": [{"id": key} for key in self._things],
        }
        coco.createIndex()
        return coco


def _score(segment: Segment, where: str) -> float:
    score = segment_field(segment, "score", where)
    if not isinstance(score, int | float) or math.isnan(score):
        raise ValueError(
            f"{where} the segment with ID {segment.get('id')} has the score "
            f"{score!r}."
        )
    return float(score)


def _mean_precision(values: np.ndarray) -> float:
    return pixel_scores.mean(map(_nan_for_nothing, values.ravel().tolist()))


def _nan_for_nothing(score: float) -> float:
    return math.nan if score == -1 else score
