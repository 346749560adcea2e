"""Metrics that equal the official tools."""

from axial_deeplab.evaluation.average_precision import PredictedMask
from axial_deeplab.evaluation.cityscapes_files import (
    evaluate_cityscapes_instances,
    evaluate_cityscapes_panoptic,
    evaluate_cityscapes_pixels,
)
from axial_deeplab.evaluation.cityscapes_instances import (
    CityscapesInstancePrecision,
)
from axial_deeplab.evaluation.cityscapes_pixels import CityscapesPixelScores
from axial_deeplab.evaluation.instance_ap import CocoInstancePrecision
from axial_deeplab.evaluation.instance_ap_files import evaluate_coco_instances
from axial_deeplab.evaluation.label_files import (
    evaluate_labels,
    evaluate_mapillary_instances,
    evaluate_mapillary_pixels,
)
from axial_deeplab.evaluation.mapillary import (
    MapillaryInstancePrecision,
    MapillaryPixelScores,
)
from axial_deeplab.evaluation.mean_iou import MeanIoU, SegmentMeanIoU
from axial_deeplab.evaluation.padding import unpadded
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
    segment_scores,
)
from axial_deeplab.evaluation.submission_files import (
    CityscapesResultWriter,
    coco_detections,
    write_coco_detections,
)

__all__ = [
    "CategoryCounts",
    "CityscapesInstancePrecision",
    "CityscapesPixelScores",
    "CityscapesResultWriter",
    "CocoInstancePrecision",
    "MapillaryInstancePrecision",
    "MapillaryPixelScores",
    "MeanIoU",
    "PanopticQuality",
    "PanopticResultWriter",
    "PredictedMask",
    "SegmentMeanIoU",
    "coco_detections",
    "evaluate_cityscapes_instances",
    "evaluate_cityscapes_panoptic",
    "evaluate_cityscapes_pixels",
    "evaluate_coco_instances",
    "evaluate_labels",
    "evaluate_mapillary_instances",
    "evaluate_mapillary_pixels",
    "evaluate_panoptic_files",
    "format_classification_report",
    "format_report",
    "format_semantic_report",
    "panoptic_categories",
    "panoptic_report",
    "panoptic_segments",
    "pq_compute",
    "segment_scores",
    "unpadded",
    "write_coco_detections",
    "write_report",
]
