"""Metrics that equal the official tools."""

from axial_deeplab.evaluation.mean_iou import MeanIoU, SegmentMeanIoU
from axial_deeplab.evaluation.panoptic_files import (
    evaluate_panoptic_files,
    pq_compute,
)
from axial_deeplab.evaluation.panoptic_quality import (
    CategoryCounts,
    PanopticQuality,
)
from axial_deeplab.evaluation.report import (
    format_classification_report,
    format_report,
    format_semantic_report,
    panoptic_report,
    write_report,
)
from axial_deeplab.evaluation.result_files import (
    PanopticResultWriter,
    panoptic_categories,
    panoptic_segments,
)

__all__ = [
    "CategoryCounts",
    "MeanIoU",
    "PanopticQuality",
    "PanopticResultWriter",
    "SegmentMeanIoU",
    "evaluate_panoptic_files",
    "format_classification_report",
    "format_report",
    "format_semantic_report",
    "panoptic_categories",
    "panoptic_report",
    "panoptic_segments",
    "pq_compute",
    "write_report",
]
