"""Metrics that equal the official tools."""

from axial_deeplab.evaluation.average_precision import PredictedMask
from axial_deeplab.evaluation.cityscapes_instances import (
    CityscapesInstancePrecision,
)
from axial_deeplab.evaluation.cityscapes_pixels import CityscapesPixelScores
from axial_deeplab.evaluation.mapillary import (
    MapillaryInstancePrecision,
    MapillaryPixelScores,
)
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
    format_report,
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
    "CityscapesInstancePrecision",
    "CityscapesPixelScores",
    "MapillaryInstancePrecision",
    "MapillaryPixelScores",
    "MeanIoU",
    "PanopticQuality",
    "PanopticResultWriter",
    "PredictedMask",
    "SegmentMeanIoU",
    "evaluate_panoptic_files",
    "format_report",
    "panoptic_categories",
    "panoptic_report",
    "panoptic_segments",
    "pq_compute",
    "write_report",
]
