"""Evaluates folders of label PNGs: semantic mean IoU, and Mapillary Vistas.

Truth lies anywhere below its folder; the prediction of an image has the same
path below the folder of the predictions.
"""

import os
import pathlib
from collections.abc import Iterator

import numpy as np

from axial_deeplab.data.mapillary_labels import MAPILLARY_LABELS
from axial_deeplab.evaluation import mapillary, pixel_scores, run_lengths
from axial_deeplab.evaluation.average_precision import PredictedMask
from axial_deeplab.evaluation.image_pool import FilePair, map_images
from axial_deeplab.evaluation.mapillary import (
    MapillaryInstancePrecision,
    MapillaryPixelScores,
)
from axial_deeplab.evaluation.mask_lists import read_mask_list
from axial_deeplab.evaluation.mean_iou import MeanIoU
from axial_deeplab.evaluation.png_files import read_label_png
from axial_deeplab.evaluation.whole_files import file_in_folder
from axial_deeplab.evaluation.worst_images import WorstImages

_Path = str | os.PathLike
_IDS = {label.name: label.id for label in MAPILLARY_LABELS}


def evaluate_labels(
    gt_folder: _Path,
    pred_folder: _Path,
    metric: MeanIoU,
    reduce_zero_label: bool = False,
    workers: int | None = None,
    worst: WorstImages | None = None,
) -> None:
    """Adds label PNGs to a mean IoU.

    Args:
        gt_folder: Folder with PNGs of classes.
        pred_folder: Folder with the predicted ones.
        metric: What to add to.
        reduce_zero_label: The truth counts from 1 and 0 is no class, as in
            ADE20K; predictions count from 0 in any case.
        workers: Images read at the same time; None: one a processor, at
            most 16. The result does not depend on it.
        worst: Is fed with each pair and its share of right pixels.

    Raises:
        FileNotFoundError: There is no truth, or an image has no prediction.
        ValueError: A file is no PNG of one channel or lies outside its folder,
            sizes differ, or a label is no class.
    """

    def count(pair: FilePair) -> MeanIoU:
        where = f"In the image {pair.name}:"
        maps = read_label_png(pair.truth), read_label_png(pair.prediction)
        pixel_scores.check_sizes(*maps, where)
        counts = run_lengths.value_counts(*maps)
        truth, predicted = np.array(list(counts)).T
        pixels = np.array(list(counts.values()))
        if reduce_zero_label:
            is_class, truth = truth > 0, truth - 1
            truth, predicted, pixels = (
                values[is_class] for values in (truth, predicted, pixels)
            )
        one = MeanIoU(metric.num_classes, metric.ignore_label)
        try:
            one.update(truth, predicted, pixels)
        except ValueError as error:
            raise ValueError(f"{where} {error}") from error
        return one

    pairs = label_pairs(gt_folder, pred_folder)
    counted = map_images(count, pairs, workers)
    for pair, one in zip(pairs, counted, strict=True):
        metric.merge(one)
        if worst is not None:
            worst.add(pair, one.result()["pixel_accuracy"])


def evaluate_mapillary_pixels(
    gt_folder: _Path,
    pred_folder: _Path,
    workers: int | None = None,
    worst: WorstImages | None = None,
) -> MapillaryPixelScores:
    """IoU and iIoU of Mapillary Vistas.

    Args:
        gt_folder: Folder with the 16-bit instance PNGs.
        pred_folder: Folder with 8-bit PNGs of labels.
        workers: Images read at the same time.
        worst: Is fed with each pair and its share of right pixels.

    Raises:
        FileNotFoundError: There is no truth, or an image has no prediction.
        ValueError: A file is no such PNG or lies outside its folder, or see
            `MapillaryPixelScores.update`.
    """

    def score(pair: FilePair) -> MapillaryPixelScores:
        one = MapillaryPixelScores()
        predicted = read_label_png(pair.prediction)
        one.update(_read_instances(pair.truth), predicted, pair.name)
        return one

    pairs = label_pairs(gt_folder, pred_folder)
    total, scored = MapillaryPixelScores(), map_images(score, pairs, workers)
    for pair, one in zip(pairs, scored, strict=True):
        total.merge(one)
        if worst is not None:
            worst.add(pair, one.pixel_accuracy())
    return total


def evaluate_mapillary_instances(
    gt_folder: _Path, pred_folder: _Path, workers: int | None = None
) -> MapillaryInstancePrecision:
    """Average precision of Mapillary Vistas.

    A prediction is a text file with a line `mask.png label score` a mask, the
    label a number or a name; lines that start with "#" are left out.

    Args:
        gt_folder: Folder with the 16-bit instance PNGs.
        pred_folder: Folder with the text files.
        workers: Images read at the same time.

    Raises:
        FileNotFoundError: There is no truth, no prediction or no mask.
        ValueError: A line is wrong, a path leads out of the folder, or see
            `MapillaryInstancePrecision.update`.
    """

    def score(pair: FilePair) -> MapillaryInstancePrecision:
        one = MapillaryInstancePrecision()
        masks = _masks(pair.prediction, pred_folder)
        one.update(_read_instances(pair.truth), masks, pair.name)
        return one

    total = MapillaryInstancePrecision()
    pairs = label_pairs(gt_folder, pred_folder, ".txt")
    for one in map_images(score, pairs, workers):
        total.merge(one)
    return total


def label_pairs(
    gt_folder: _Path, pred_folder: _Path, pred_ending: str = ".png"
) -> list[FilePair]:
    """All PNGs of the truth, each with its prediction, by path.

    Raises:
        FileNotFoundError: There is no truth, or an image has no prediction.
        ValueError: A prediction is a link out of the folder.
    """
    root = pathlib.Path(gt_folder)
    truths = sorted(root.rglob("*.png"))
    if not truths:
        raise FileNotFoundError(f"There is no PNG below {gt_folder}.")
    pairs = []
    for truth in truths:
        name = truth.relative_to(root).as_posix()
        predicted = name.removesuffix(".png") + pred_ending
        path = file_in_folder(pred_folder, predicted)
        pairs.append(FilePair(name, truth, path))
    return pairs


def _read_instances(path: pathlib.Path) -> np.ndarray:
    instances = read_label_png(path)
    if instances.dtype == np.uint8:
        raise ValueError(
            f"{path} is an 8-bit PNG of labels; the 16-bit instance PNGs are "
            f"needed."
        )
    return instances


def _masks(path: pathlib.Path, root: _Path) -> Iterator[PredictedMask]:
    """Reads masks of evaluated labels one by one."""
    for line in read_mask_list(path, root, _label_id, comment="#"):
        if mapillary.is_evaluated(line.label_id, f"{path}"):
            mask = read_label_png(line.path) != 0
            yield PredictedMask(mask, line.label_id, line.score)


def _label_id(text: str) -> int:
    if text.lstrip("-").isdecimal():
        return int(text)
    if text not in _IDS:
        raise ValueError(f"the label {text!r} is unknown.")
    return _IDS[text]
