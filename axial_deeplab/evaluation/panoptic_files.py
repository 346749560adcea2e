"""Evaluates COCO-panoptic files: truth against prediction."""

import dataclasses
import logging
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from axial_deeplab.evaluation import panoptic_checks, result_files
from axial_deeplab.evaluation.image_pool import map_images
from axial_deeplab.evaluation.mean_iou import SegmentMeanIoU
from axial_deeplab.evaluation.panoptic_quality import PanopticQuality
from axial_deeplab.evaluation.png_files import read_id_png
from axial_deeplab.evaluation.run_lengths import (
    SegmentOverlaps,
    segment_overlaps,
)
from axial_deeplab.evaluation.whole_files import file_in_folder

_Path = str | os.PathLike
# Segment ids [H, W] and the list of segments.
SegmentMap = tuple[np.ndarray, Sequence[dict[str, Any]]]

_log = logging.getLogger(__name__)
_MOST_DOUBTS = 20


def pq_compute(
    gt_json_file: _Path,
    pred_json_file: _Path,
    gt_folder: _Path | None = None,
    pred_folder: _Path | None = None,
    workers: int | None = None,
) -> dict[str, dict]:
    """Panoptic quality of files, equal to panopticapi's function of the name.

    What the official rules count in silence although it looks wrong (see
    `panoptic_checks.doubts`) is logged as a warning.

    Args:
        gt_json_file: COCO-panoptic JSON of the truth.
        pred_json_file: The same of the prediction; only `annotations` is read.
        gt_folder: Folder of the truth PNGs; None: the JSON's path without
            ".json".
        pred_folder: The same for the prediction.
        workers: Images read at the same time; None: one a processor, at
            most 16. The result does not depend on it.

    Returns:
        The structure of `PanopticQuality.result`. A group without any counted
        category is NaN, where panopticapi ends in a ZeroDivisionError.

    Raises:
        KeyError: A predicted id is in the PNG or in the JSON only, a category
            is unknown, or a field is missing.
        ValueError: Maps differ in size; a file is no PNG or no JSON, or lies
            outside its folder.
        FileNotFoundError: A file is missing, a folder missing or empty.
        Exception: An image has no prediction.
    """
    files = gt_json_file, pred_json_file, gt_folder, pred_folder
    categories, pairs = panoptic_pairs(*files)
    quality = PanopticQuality(categories)
    accumulate(pairs, [quality], workers)
    return quality.result()


def evaluate_panoptic_files(
    gt_json_file: _Path,
    pred_json_file: _Path,
    gt_folder: _Path | None = None,
    pred_folder: _Path | None = None,
    workers: int | None = None,
) -> tuple[PanopticQuality, SegmentMeanIoU]:
    """Panoptic quality and mean IoU of files; all else as `pq_compute`."""
    files = gt_json_file, pred_json_file, gt_folder, pred_folder
    categories, pairs = panoptic_pairs(*files)
    quality, mean_iou = PanopticQuality(categories), SegmentMeanIoU(categories)
    accumulate(pairs, [quality, mean_iou], workers)
    return quality, mean_iou


@dataclasses.dataclass(frozen=True)
class PanopticPair:
    """One image: how to read its truth and its prediction.

    `name` is the stem of the true file's name.
    """

    image_id: Any
    name: str
    read_truth: Callable[[], SegmentMap]
    read_prediction: Callable[[], SegmentMap]


class OverlapMetric(Protocol):
    """What can be fed with the overlaps of two maps, image by image."""

    def update_overlaps(
        self,
        overlaps: SegmentOverlaps,
        truth_segments: Sequence[dict[str, Any]],
        predicted_segments: Sequence[dict[str, Any]],
        image_id: object = None,
    ) -> None:
        """Adds one image."""


def panoptic_pairs(
    gt_json_file: _Path,
    pred_json_file: _Path,
    gt_folder: _Path | None = None,
    pred_folder: _Path | None = None,
) -> tuple[list[dict[str, Any]], list[PanopticPair]]:
    """Categories and image pairs of COCO-panoptic files, as `pq_compute`."""
    fields = "annotations", "categories"
    truth = PanopticSource(gt_json_file, gt_folder, "ground truth", fields)
    predicted = PanopticSource(pred_json_file, pred_folder, "predicted")
    pairs = [
        PanopticPair(
            image_id,
            pathlib.PurePath(str(annotation.get("file_name"))).stem,
            truth.reader(annotation),
            predicted.reader_of(image_id),
        )
        for image_id, annotation in truth.annotations()
    ]
    return truth.content["categories"], pairs


class PanopticSource:
    """A COCO-panoptic JSON file, as `content`, and its folder of id PNGs.

    Args:
        json_file: The file.
        folder: The folder; None: the path without ".json".
        whose: "ground truth" or "predicted", for errors.
        fields: The lists that the file must have.
    """

    def __init__(
        self,
        json_file: _Path,
        folder: _Path | None,
        whose: str,
        fields: Sequence[str] = ("annotations",),
    ):
        self.content = result_files.read_panoptic_json(json_file, *fields)
        self._json_file = json_file
        self._folder = _folder(folder, json_file, whose)
        # Of two annotations of an image the last counts.
        self._by_image = dict(self.annotations())

    def annotations(self) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Image id and annotation of each image, in the order of the file."""
        for annotation in self.content["annotations"]:
            image_id = _field(annotation, "image_id", self._json_file)
            if not isinstance(image_id, str | int):
                raise ValueError(
                    f"{self._json_file}: {image_id!r} is no image id."
                )
            yield image_id, annotation

    def reader_of(self, image_id: Any) -> Callable[[], SegmentMap]:
        """As `reader`, for an image that must be there."""
        if image_id not in self._by_image:
            # The official tool's type: what handles it handles ours.
            raise Exception(f"no prediction for the image with id: {image_id}")
        return self.reader(self._by_image[image_id])

    def reader(self, annotation: dict[str, Any]) -> Callable[[], SegmentMap]:
        """Reads the map and the segments of an image, when it is called."""

        def read() -> SegmentMap:
            name = _field(annotation, "file_name", self._folder)
            segments = _field(annotation, "segments_info", self._folder)
            if not isinstance(name, str):
                raise ValueError(
                    f"{self._json_file}: {name!r} is no file name."
                )
            if not result_files.is_list_of_dicts(segments):
                raise ValueError(
                    f"{self._json_file}: `segments_info` of {name} is no list "
                    f"of segments."
                )
            path = file_in_folder(self._folder, name)
            return read_id_png(path), segments

        return read


def accumulate(
    pairs: Sequence[PanopticPair],
    metrics: Sequence[OverlapMetric],
    workers: int | None = None,
) -> None:
    """Feeds the metrics with all pairs, in their order; logs doubts."""

    def compare(pair: PanopticPair) -> tuple[Any, ...]:
        truth, truth_segments = pair.read_truth()
        predicted, predicted_segments = pair.read_prediction()
        overlaps = segment_overlaps(truth, predicted, pair.image_id)
        return overlaps, truth_segments, predicted_segments, pair.image_id

    number = 0
    for update in map_images(compare, pairs, workers):
        for metric in metrics:
            metric.update_overlaps(*update)
        where = f"In the image with ID {update[3]}"
        for doubt in panoptic_checks.doubts(*update[:3], where):
            number += 1
            if number <= _MOST_DOUBTS:
                _log.warning("%s", doubt)
    if number > _MOST_DOUBTS:
        _log.warning("... and %d more of such lines.", number - _MOST_DOUBTS)


def _folder(folder: _Path | None, json_file: _Path, whose: str) -> pathlib.Path:
    if folder is None:
        # The official default drops every ".json" of the path.
        folder = os.fspath(json_file).replace(".json", "")
    path = pathlib.Path(folder)
    if not path.is_dir():
        raise FileNotFoundError(
            f"Folder {folder} with {whose} segmentations doesn't exist"
        )
    if not any(path.iterdir()):
        raise FileNotFoundError(
            f"Folder {folder} with {whose} segmentations is empty"
        )
    return path


def _field(annotation: dict, name: str, where: _Path) -> Any:
    if name not in annotation:
        raise KeyError(
            f"{where}: the annotation of image {annotation.get('image_id')} "
            f"has no field '{name}'."
        )
    return annotation[name]
