"""Evaluates Cityscapes files in the layout of the official scripts.

Truth lies anywhere below a folder such as `gtFine/val`, as `CITY_SEQ_FRAME_
gtFine_labelIds.png` and `..._instanceIds.png`; the prediction of an image is
the one file below the result folder whose name starts with `CITY_SEQ_FRAME`.
Where the official scripts print an error and end the process, an exception has
their words.
"""

import bisect
import functools
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from axial_deeplab.evaluation import (
    cityscapes_instances,
    cityscapes_panoptic,
    panoptic_files,
)
from axial_deeplab.evaluation.average_precision import PredictedMask
from axial_deeplab.evaluation.cityscapes_instances import (
    CityscapesInstancePrecision,
)
from axial_deeplab.evaluation.cityscapes_pixels import CityscapesPixelScores
from axial_deeplab.evaluation.image_pool import FilePair, map_images
from axial_deeplab.evaluation.mask_lists import read_mask_list
from axial_deeplab.evaluation.mean_iou import SegmentMeanIoU
from axial_deeplab.evaluation.panoptic_quality import PanopticQuality
from axial_deeplab.evaluation.png_files import read_label_png, read_mask_png
from axial_deeplab.evaluation.whole_files import file_in_folder
from axial_deeplab.evaluation.worst_images import WorstImages

_Path = str | os.PathLike
_LABELS, _INSTANCES = "_labelIds.png", "_instanceIds.png"


def evaluate_cityscapes_pixels(
    gt_folder: _Path,
    pred_folder: _Path,
    workers: int | None = None,
    worst: WorstImages | None = None,
) -> CityscapesPixelScores:
    """IoU and iIoU of label PNGs.

    Args:
        gt_folder: Folder with the truth.
        pred_folder: Folder with PNGs of label ids.
        workers: Images read at the same time; None: one a processor, at
            most 16. The result does not depend on it.
        worst: Is fed with each pair and its share of right pixels.

    Raises:
        FileNotFoundError: There is no truth, or an image has no prediction.
        ValueError: An image has several predictions, a file is no PNG of one
            channel or lies outside its folder, or see
            `CityscapesPixelScores.update`.
        IndexError, KeyError: See there.
    """

    def score(pair: FilePair) -> CityscapesPixelScores:
        instances = str(pair.truth).removesuffix(_LABELS) + _INSTANCES
        paths = pair.truth, instances, pair.prediction
        one = CityscapesPixelScores()
        one.update(*map(read_label_png, paths), pair.name)
        return one

    pairs = cityscapes_pairs(gt_folder, pred_folder, _LABELS, ".png")
    total, scored = CityscapesPixelScores(), map_images(score, pairs, workers)
    for pair, one in zip(pairs, scored, strict=True):
        total.merge(one)
        if worst is not None:
            worst.add(pair, one.pixel_accuracy())
    return total


def evaluate_cityscapes_instances(
    gt_folder: _Path, pred_folder: _Path, workers: int | None = None
) -> CityscapesInstancePrecision:
    """Average precision of instance files; arguments as above.

    A prediction is a text file with a line `mask.png label_id score` per mask;
    the paths are relative to the text file and stay in `pred_folder`.

    Raises:
        FileNotFoundError: There is no truth, no prediction or no mask.
        ValueError: An image has several predictions, a line is wrong, a path
            leads out of the folder, or see
            `CityscapesInstancePrecision.update`.
        KeyError: See there.
    """

    def score(pair: FilePair) -> CityscapesInstancePrecision:
        one = CityscapesInstancePrecision()
        masks = _masks(pair.prediction, pred_folder)
        one.update(read_label_png(pair.truth), masks, pair.name)
        return one

    pairs = cityscapes_pairs(gt_folder, pred_folder, _INSTANCES, ".txt")
    total = CityscapesInstancePrecision()
    for one in map_images(score, pairs, workers):
        total.merge(one)
    return total


def evaluate_cityscapes_panoptic(
    gt_folder: _Path,
    pred_json_file: _Path,
    pred_folder: _Path | None = None,
    use_train_ids: bool = False,
    workers: int | None = None,
) -> tuple[PanopticQuality, SegmentMeanIoU]:
    """Panoptic quality and mean IoU against instance images.

    The result is that of `evaluate_panoptic_files` with the truth that the
    official converter makes of the same images.

    Args:
        gt_folder: Folder with the truth.
        pred_json_file: COCO-panoptic JSON of the prediction.
        pred_folder: Folder of its PNGs; None: the JSON's path without ".json".
        use_train_ids: Whether its categories are train ids, not label ids.
        workers: Images read at the same time.

    Raises:
        See `pq_compute`.
    """
    categories, pairs = cityscapes_panoptic_pairs(
        gt_folder, pred_json_file, pred_folder, use_train_ids
    )
    quality, mean_iou = PanopticQuality(categories), SegmentMeanIoU(categories)
    panoptic_files.accumulate(pairs, [quality, mean_iou], workers)
    return quality, mean_iou


def cityscapes_panoptic_pairs(
    gt_folder: _Path,
    pred_json_file: _Path,
    pred_folder: _Path | None = None,
    use_train_ids: bool = False,
) -> tuple[list[dict[str, Any]], list[panoptic_files.PanopticPair]]:
    """Categories and image pairs, as `evaluate_cityscapes_panoptic`."""
    predicted = panoptic_files.PanopticSource(
        pred_json_file, pred_folder, "predicted"
    )
    pairs = []
    for path in _truth_files(gt_folder, _INSTANCES):
        image_id = _image_id(path)
        read_truth = functools.partial(_read_segments, path, use_train_ids)
        read_found = predicted.reader_of(image_id)
        pairs.append(
            panoptic_files.PanopticPair(
                image_id, image_id, read_truth, read_found
            )
        )
    return cityscapes_panoptic.cityscapes_categories(use_train_ids), pairs


def cityscapes_pairs(
    gt_folder: _Path, pred_folder: _Path, gt_ending: str, pred_ending: str
) -> list[FilePair]:
    """Truth files with the ending, each with its one prediction, by name.

    Raises:
        FileNotFoundError: There is no truth, or an image has no prediction.
        ValueError: An image has several, or it is a link out of the folder.
    """
    truths = [
        (_image_id(path), path) for path in _truth_files(gt_folder, gt_ending)
    ]
    root = pathlib.Path(pred_folder)
    if not root.is_dir():
        raise FileNotFoundError(f"There is no result folder {pred_folder}.")
    found = sorted(
        (path.name, path.relative_to(root))
        for path in root.rglob(f"*{pred_ending}")
    )
    pairs = []
    for image_id, truth in truths:
        first = bisect.bisect_left(found, (image_id,))
        names = []
        for name, path in found[first:]:
            if not name.startswith(image_id):
                break
            names.append(path)
        if not names:
            raise FileNotFoundError(
                f"Found no prediction for ground truth {truth} in {root}."
            )
        if len(names) > 1:
            raise ValueError(
                f"Found multiple predictions for ground truth {truth}: "
                f"{names[0]} and {names[1]} in {root}."
            )
        path = file_in_folder(root, str(names[0]))
        pairs.append(FilePair(image_id, truth, path))
    return pairs


def _masks(path: pathlib.Path, root: _Path) -> Iterator[PredictedMask]:
    """Reads masks of evaluated labels one by one."""
    for line in read_mask_list(path, root, lambda text: int(float(text))):
        if cityscapes_instances.is_evaluated(line.label_id, f"{path}:"):
            mask = read_mask_png(line.path)
            yield PredictedMask(mask, line.label_id, line.score)


def _read_segments(
    path: pathlib.Path, use_train_ids: bool
) -> panoptic_files.SegmentMap:
    try:
        return cityscapes_panoptic.cityscapes_segments(
            read_label_png(path), use_train_ids
        )
    except KeyError as error:
        raise KeyError(f"{path}: {error.args[0]}") from error


def _truth_files(folder: _Path, ending: str) -> list[pathlib.Path]:
    files = sorted(pathlib.Path(folder).rglob(f"*{ending}"))
    if not files:
        raise FileNotFoundError(
            f"Cannot find any ground truth images to use for evaluation. "
            f"Searched for: *{ending} below {folder}"
        )
    return files


def _image_id(truth: pathlib.Path) -> str:
    """CITY_SEQ_FRAME of CITY_SEQ_FRAME_gtFine_labelIds.png."""
    parts = truth.name.split("_")
    if len(parts) != 5:
        raise ValueError(
            f"Cannot parse given filename ({truth}): it is not "
            f"CITY_SEQ_FRAME_gtFine_KIND.png."
        )
    return "_".join(parts[:3])
