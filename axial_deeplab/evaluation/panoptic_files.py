"""Evaluates COCO-panoptic files: truth against prediction."""

import concurrent.futures
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from axial_deeplab.evaluation import result_files
from axial_deeplab.evaluation.mean_iou import SegmentMeanIoU
from axial_deeplab.evaluation.panoptic_quality import PanopticQuality
from axial_deeplab.evaluation.run_lengths import (
    SegmentOverlaps,
    segment_overlaps,
)
from axial_deeplab.progress import track

_Path = str | os.PathLike

# More would only queue for the interpreter lock.
_MOST_THREADS = 16


def pq_compute(
    gt_json_file: _Path,
    pred_json_file: _Path,
    gt_folder: _Path | None = None,
    pred_folder: _Path | None = None,
    workers: int | None = None,
) -> dict[str, dict]:
    """Panoptic quality of files, equal to panopticapi's function of the name.

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
    pairs = _FilePairs(gt_json_file, pred_json_file, gt_folder, pred_folder)
    quality = PanopticQuality(pairs.categories)
    for update in pairs.updates(workers):
        quality.update_overlaps(*update)
    return quality.result()


def evaluate_panoptic_files(
    gt_json_file: _Path,
    pred_json_file: _Path,
    gt_folder: _Path | None = None,
    pred_folder: _Path | None = None,
    workers: int | None = None,
) -> tuple[PanopticQuality, SegmentMeanIoU]:
    """Panoptic quality and mean IoU of files; all else as `pq_compute`."""
    pairs = _FilePairs(gt_json_file, pred_json_file, gt_folder, pred_folder)
    quality = PanopticQuality(pairs.categories)
    mean_iou = SegmentMeanIoU(pairs.categories)
    for update in pairs.updates(workers):
        quality.update_overlaps(*update)
        mean_iou.update_overlaps(*update)
    return quality, mean_iou


class _FilePairs:
    """Truth and predicted annotation of each image, and their folders."""

    def __init__(
        self,
        gt_json_file: _Path,
        pred_json_file: _Path,
        gt_folder: _Path | None,
        pred_folder: _Path | None,
    ):
        truth = result_files.read_panoptic_json(
            gt_json_file, "annotations", "categories"
        )
        prediction = result_files.read_panoptic_json(
            pred_json_file, "annotations"
        )
        self.categories = truth["categories"]
        self._truth_folder = _folder(gt_folder, gt_json_file, "ground truth")
        self._predicted_folder = _folder(
            pred_folder, pred_json_file, "predicted"
        )
        predicted = {
            _field(annotation, "image_id", pred_json_file): annotation
            for annotation in prediction["annotations"]
        }
        self._pairs = []
        for annotation in truth["annotations"]:
            image_id = _field(annotation, "image_id", gt_json_file)
            if image_id not in predicted:
                # The official tool's type: what handles it handles ours.
                raise Exception(
                    f"no prediction for the image with id: {image_id}"
                )
            self._pairs.append((annotation, predicted[image_id]))

    def updates(self, workers: int | None) -> Iterator[tuple[Any, ...]]:
        """Arguments of `update_overlaps`, image by image, in file order.

        Threads, not processes: decoding and comparing run outside the
        interpreter lock, and a new process would have to import TensorFlow.
        """
        if workers is not None and workers < 1:
            raise ValueError(f"`workers` must be >= 1; got {workers}.")
        pool = concurrent.futures.ThreadPoolExecutor(
            workers or min(_MOST_THREADS, os.cpu_count() or 1)
        )
        try:
            overlaps = track(
                pool.map(self._overlaps, self._pairs),
                total=len(self._pairs),
                label="Evaluated",
                unit="images",
            )
            for (truth, predicted), found in zip(
                self._pairs, overlaps, strict=True
            ):
                yield (
                    found,
                    truth["segments_info"],
                    predicted["segments_info"],
                    truth["image_id"],
                )
        finally:
            pool.shutdown(cancel_futures=True)

    def _overlaps(self, pair: tuple[dict, dict]) -> SegmentOverlaps:
        maps = []
        folders = (self._truth_folder, self._predicted_folder)
        for folder, annotation in zip(folders, pair, strict=True):
            name = _field(annotation, "file_name", folder)
            _field(annotation, "segments_info", folder)
            path = result_files.file_in_folder(folder, name)
            maps.append(result_files.read_id_png(path))
        return segment_overlaps(*maps, image_id=pair[0]["image_id"])


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
