"""Every kind of evaluation of files, by name: what it takes, how it is done.

Each gives a report and tables, a confusion matrix where there is one, and
pictures of the worst images where the files are maps.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from axial_deeplab.evaluation import (
    cityscapes_files,
    comparisons,
    instance_ap_files,
    label_files,
    label_kinds,
    panoptic_files,
    report,
)
from axial_deeplab.evaluation.evaluation_options import (
    Evaluation,
    EvaluationOptions,
)
from axial_deeplab.evaluation.html_report import Confusion
from axial_deeplab.evaluation.mean_iou import SegmentMeanIoU
from axial_deeplab.evaluation.panoptic_quality import PanopticQuality
from axial_deeplab.evaluation.worst_images import WorstPanopticImages


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind: what it does, the options it needs and those it may have."""

    text: str
    evaluate: Callable[[EvaluationOptions], Evaluation]
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


def check_options(name: str, given: Collection[str]) -> None:
    """Refuses a kind without what it needs, or with what it would ignore.

    Raises:
        ValueError: Names the option.
    """
    kind = KINDS[name]
    for option in kind.required:
        if option not in given:
            raise ValueError(f"--metric={name} needs --{option}.")
    for option in given:
        if option not in kind.required + kind.optional:
            raise ValueError(f"--metric={name} does not take --{option}.")


def _panoptic(options: EvaluationOptions) -> Evaluation:
    pairs = panoptic_files.panoptic_pairs(*options.panoptic_files())
    return _panoptic_pairs(*pairs, options)


def _cityscapes_panoptic(options: EvaluationOptions) -> Evaluation:
    pairs = cityscapes_files.cityscapes_panoptic_pairs(
        options.gt_folder,
        options.pred_json_file,
        options.pred_folder,
        options.use_train_ids,
    )
    return _panoptic_pairs(*pairs, options)


def _panoptic_pairs(
    categories: Sequence[Mapping[str, Any]],
    pairs: Sequence[panoptic_files.PanopticPair],
    options: EvaluationOptions,
) -> Evaluation:
    beside = comparisons.pictures_beside(options)
    quality, mean_iou = PanopticQuality(categories), SegmentMeanIoU(categories)
    worst = WorstPanopticImages(options.worst_images, categories)
    metrics = [quality, mean_iou, worst]
    panoptic_files.accumulate(pairs, metrics, options.workers)
    found = report.panoptic_report(quality, mean_iou)
    names = [one["name"] for one in found["classes"]]
    by_image = {pair.image_id: pair for pair in pairs}
    return Evaluation(
        found,
        report.panoptic_tables(found),
        Confusion(names, [*names, "(none)"], mean_iou.confusion),
        [
            comparisons.panoptic_comparison(
                by_image[image_id], score, categories, beside
            )
            for image_id, score in worst.worst_first()
        ],
        comparisons.SEGMENT_LEGEND,
    )


def _coco_instance(options: EvaluationOptions) -> Evaluation:
    metric = instance_ap_files.evaluate_coco_instances(
        *options.panoptic_files(), options.workers
    )
    names = {
        key: str(one.get("name", key)) for key, one in metric.categories.items()
    }
    result = metric.result()
    return Evaluation(result, report.coco_instance_tables(result, names))


def _cityscapes_instance(options: EvaluationOptions) -> Evaluation:
    result = cityscapes_files.evaluate_cityscapes_instances(
        options.gt_folder, options.pred_folder, options.workers
    ).result()
    return Evaluation(result, report.cityscapes_instance_tables(result))


def _mapillary_instance(options: EvaluationOptions) -> Evaluation:
    result = label_files.evaluate_mapillary_instances(
        options.gt_folder, options.pred_folder, options.workers
    ).result()
    return Evaluation(result, report.mapillary_instance_tables(result))


_JSONS = "gt_json_file", "pred_json_file"
_FOLDERS = "gt_folder", "pred_folder"
_CLASSES = "dataset", "num_classes", "ignore_label", "reduce_zero_label"
_PICTURES = "worst_images", "image_folder", "attention_folder"

KINDS: dict[str, Kind] = {
    "panoptic": Kind(
        "PQ and mean IoU of COCO-panoptic files (COCO, Cityscapes, Mapillary)",
        _panoptic,
        _JSONS,
        (*_FOLDERS, *_PICTURES),
    ),
    "coco_instance": Kind(
        "COCO AP of panoptic files with scores, or of a list of detections",
        _coco_instance,
        _JSONS,
        _FOLDERS,
    ),
    "cityscapes_panoptic": Kind(
        "as panoptic, with *_gtFine_instanceIds.png as truth",
        _cityscapes_panoptic,
        ("gt_folder", "pred_json_file"),
        ("pred_folder", "use_train_ids", *_PICTURES),
    ),
    "cityscapes_pixel": Kind(
        "class and category IoU and iIoU of label PNGs",
        label_kinds.cityscapes_pixel,
        _FOLDERS,
        _PICTURES,
    ),
    "cityscapes_instance": Kind(
        "AP and AP50 of text files that list masks",
        _cityscapes_instance,
        _FOLDERS,
    ),
    "mapillary_pixel": Kind(
        "IoU and iIoU of label PNGs, with 16-bit instance PNGs as truth",
        label_kinds.mapillary_pixel,
        _FOLDERS,
        _PICTURES,
    ),
    "mapillary_instance": Kind(
        "AP and AP50 of text files that list masks",
        _mapillary_instance,
        _FOLDERS,
    ),
    "semantic": Kind(
        "mean IoU of label PNGs, as papers report it",
        label_kinds.semantic,
        _FOLDERS,
        (*_CLASSES, *_PICTURES),
    ),
}
