"""Evaluations of label PNGs: Cityscapes, Mapillary Vistas, any classes."""

from collections.abc import Sequence

import numpy as np

from axial_deeplab.data import cityscapes_labels, mapillary_labels
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.evaluation import (
    cityscapes_files,
    comparisons,
    label_files,
    report,
)
from axial_deeplab.evaluation.comparisons import LabelStyle
from axial_deeplab.evaluation.error_pictures import Colour
from axial_deeplab.evaluation.evaluation_options import (
    Evaluation,
    EvaluationOptions,
)
from axial_deeplab.evaluation.html_report import Comparison, Confusion
from axial_deeplab.evaluation.mean_iou import MeanIoU
from axial_deeplab.evaluation.worst_images import WorstImages


def cityscapes_pixel(options: EvaluationOptions) -> Evaluation:
    """Class and category IoU and iIoU by the rules of Cityscapes."""
    beside = comparisons.pictures_beside(options)
    worst = WorstImages(options.worst_images)
    metric = cityscapes_files.evaluate_cityscapes_pixels(
        options.gt_folder, options.pred_folder, options.workers, worst
    )
    labels = [x for x in cityscapes_labels.CITYSCAPES_LABELS if x.id >= 0]
    counted = [label.id for label in labels if label.is_evaluated]
    style = LabelStyle(
        {x.id: x.name for x in labels},
        {x.id: x.colour for x in labels},
        counted,
    )
    result = metric.result()
    return Evaluation(
        result,
        report.cityscapes_pixel_tables(result),
        _confusion([x.name for x in labels], counted, metric.confusion),
        _comparisons(worst, style, beside),
        comparisons.LABEL_LEGEND,
    )


def mapillary_pixel(options: EvaluationOptions) -> Evaluation:
    """IoU and iIoU by the rules of Mapillary Vistas."""
    beside = comparisons.pictures_beside(options)
    worst = WorstImages(options.worst_images)
    metric = label_files.evaluate_mapillary_pixels(
        options.gt_folder, options.pred_folder, options.workers, worst
    )
    labels = mapillary_labels.MAPILLARY_LABELS
    counted = [label.id for label in mapillary_labels.EVALUATED_LABELS]
    style = LabelStyle(
        {label.id: label.name for label in labels},
        {label.id: label.colour for label in labels},
        counted,
        lambda ids: ids // mapillary_labels.INSTANCE_DIVISOR,
    )
    result = metric.result()
    return Evaluation(
        result,
        report.mapillary_pixel_tables(result),
        _confusion([x.name for x in labels], counted, metric.confusion),
        _comparisons(worst, style, beside),
        comparisons.LABEL_LEGEND,
    )


def semantic(options: EvaluationOptions) -> Evaluation:
    """Mean IoU as the segmentation papers report it."""
    beside = comparisons.pictures_beside(options)
    worst = WorstImages(options.worst_images)
    metric, names, colours = _classes(options)
    label_files.evaluate_labels(
        options.gt_folder,
        options.pred_folder,
        metric,
        options.reduce_zero_label,
        options.workers,
        worst,
    )
    first = int(options.reduce_zero_label)
    counted = set(range(metric.num_classes)) - {metric.ignore_label}
    style = LabelStyle(
        dict(enumerate(names)),
        colours,
        counted,
        lambda ids: ids.astype(int) - first,
    )
    result = metric.result()
    return Evaluation(
        result,
        report.semantic_tables(result, names),
        Confusion(names, [*names, "(none)"], metric.confusion),
        _comparisons(worst, style, beside),
        comparisons.LABEL_LEGEND,
    )


def _classes(
    options: EvaluationOptions,
) -> tuple[MeanIoU, list[str], dict[int, Colour]]:
    """An empty metric, and names and colours of its classes."""
    if (options.dataset is None) == (options.num_classes is None):
        raise ValueError(
            "--metric=semantic needs either --dataset or --num_classes."
        )
    if options.dataset is None:
        number = options.num_classes
        names = [str(index) for index in range(number)]
        colours = {key: comparisons.some_colour(key) for key in range(number)}
        return MeanIoU(number, options.ignore_label), names, colours
    spec = dataset_spec(options.dataset)
    ignored = options.ignore_label
    metric = MeanIoU(
        spec.num_classes, spec.ignore_label if ignored is None else ignored
    )
    names = [str(index) for index in range(spec.num_classes)]
    for one in spec.classes:
        names[one.id] = one.name
    return metric, names, {one.id: one.colour for one in spec.classes}


def _confusion(
    names: Sequence[str], counted: Sequence[int], pixels: np.ndarray
) -> Confusion:
    rows = [names[label] for label in counted]
    return Confusion(rows, names, pixels[list(counted)])


def _comparisons(
    worst: WorstImages, style: LabelStyle, beside: comparisons.Photographs
) -> list[Comparison]:
    return [
        comparisons.label_comparison(pair, score, style, beside)
        for pair, score in worst.worst_first()
    ]
