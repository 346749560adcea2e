import json
import math

import numpy as np

from axial_deeplab.evaluation import (
    PanopticQuality,
    SegmentMeanIoU,
    format_report,
    panoptic_report,
    write_report,
)

CATEGORIES = [
    {"id": 7, "name": "cat", "isthing": 1},
    {"id": 9, "name": "fire hydrant", "isthing": 1},
    {"id": 4, "name": "zebra", "isthing": 1},
]


def _report():
    """The cat is 4 of 5 pixels right, the hydrant only predicted."""
    truth = np.array([[1, 1, 1, 1, 1]])
    predicted = np.array([[1, 1, 1, 1, 2]])
    image = (
        truth,
        [{"id": 1, "category_id": 7, "area": 5, "iscrowd": 0}],
        predicted,
        [{"id": 1, "category_id": 7}, {"id": 2, "category_id": 9}],
    )
    metrics = PanopticQuality(CATEGORIES), SegmentMeanIoU(CATEGORIES)
    for metric in metrics:
        metric.update(*image)
    return panoptic_report(*metrics)


def test_report_holds_the_results():
    report = _report()
    assert report["panoptic_quality"]["All"] == {
        "pq": 0.4,
        "sq": 0.4,
        "rq": 0.5,
        "n": 2,
    }
    assert math.isnan(report["panoptic_quality"]["Stuff"]["pq"])
    assert report["mean_iou"] == 0.4
    cat, hydrant, zebra = report["classes"]
    assert (cat["id"], cat["pq"], cat["tp"], cat["iou"]) == (7, 0.8, 1, 0.8)
    assert (hydrant["pq"], hydrant["fp"], hydrant["iou"]) == (0.0, 1, 0.0)
    assert math.isnan(zebra["pq"]) and math.isnan(zebra["iou"])


def test_table():
    assert format_report(_report()).splitlines() == [
        "           PQ     SQ     RQ  classes",
        "All     40.00  40.00  50.00        2",
        "Things  40.00  40.00  50.00        2",
        "Stuff       -      -      -        0",
        "mIoU    40.00",
        "",
        "class         kind      PQ     SQ      RQ  TP  FP  FN    IoU",
        "cat           thing  80.00  80.00  100.00   1   0   0  80.00",
        "fire hydrant  thing   0.00   0.00    0.00   0   1   0   0.00",
        "(1 classes do not occur)",
    ]


def test_json_has_null_for_what_is_missing(tmp_path):
    report = _report()
    report["mean_iou"] = math.inf
    write_report(tmp_path / "report.json", report)
    text = (tmp_path / "report.json").read_text()
    content = json.loads(text, parse_constant=lambda name: 1 / 0)
    assert content["panoptic_quality"]["Stuff"]["pq"] is None
    assert content["mean_iou"] is None
    assert content["classes"][0] == report["classes"][0]
