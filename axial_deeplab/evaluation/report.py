"""The report of an evaluation: a dictionary, a printed table, a JSON file."""

import math
import os
from typing import Any

from axial_deeplab.evaluation.mean_iou import SegmentMeanIoU
from axial_deeplab.evaluation.panoptic_quality import PanopticQuality
from axial_deeplab.evaluation.result_files import write_json

_GROUPS = ("All", "Things", "Stuff")


def panoptic_report(
    quality: PanopticQuality, mean_iou: SegmentMeanIoU
) -> dict[str, Any]:
    """Collects the results of both metrics.

    Returns:
        `{"panoptic_quality": {"All" | "Things" | "Stuff": {"pq", "sq", "rq",
        "n"}}, "mean_iou": float, "classes": [{"id", "name", "isthing", "pq",
        "sq", "rq", "tp", "fp", "fn", "iou"}]}`, all qualities in 0..1. What
        does not exist (an empty group, the quality of a class without a
        segment) is NaN.
    """
    result, counts = quality.result(), quality.counts()
    iou = mean_iou.result()
    classes = []
    for category_id, category in quality.categories.items():
        counted = counts.get(category_id)
        scores = result["per_class"][category_id]
        if counted is None:
            scores = dict.fromkeys(scores, math.nan)
        row = {
            "id": category_id,
            "name": category.get("name", str(category_id)),
            "isthing": int(category["isthing"] == 1),
            **scores,
            "tp": counted.tp if counted else 0,
            "fp": counted.fp if counted else 0,
            "fn": counted.fn if counted else 0,
            "iou": iou["per_class"][category_id],
        }
        classes.append(row)
    return {
        "panoptic_quality": {name: result[name] for name in _GROUPS},
        "mean_iou": iou["mean_iou"],
        "classes": classes,
    }


def format_report(report: dict[str, Any]) -> str:
    """The report as an aligned table in percent; "-" is NaN.

    Classes in neither truth nor prediction are counted in the last line.
    """
    groups = [("", "PQ", "SQ", "RQ", "classes")]
    for name, group in report["panoptic_quality"].items():
        groups.append((name, *_percents(group), str(group["n"])))
    groups.append(("mIoU", _percent(report["mean_iou"]), "", "", ""))
    head = ("class", "kind", "PQ", "SQ", "RQ", "TP", "FP", "FN", "IoU")
    rows, hidden = [head], 0
    for one in report["classes"]:
        if math.isnan(one["pq"]) and math.isnan(one["iou"]):
            hidden += 1
            continue
        kind = "thing" if one["isthing"] else "stuff"
        found = (str(one[key]) for key in ("tp", "fp", "fn"))
        iou = _percent(one["iou"])
        rows.append((str(one["name"]), kind, *_percents(one), *found, iou))
    parts = [_align(groups, texts=1), "", _align(rows, texts=2)]
    if hidden:
        parts.append(f"({hidden} classes do not occur)")
    return "\n".join(parts)


def format_classification_report(report: dict[str, Any]) -> str:
    """Top-1 and top-5 accuracy in percent, loss and number of images."""
    rows = [
        ("top-1", _percent(report["top_1"])),
        ("top-5", _percent(report["top_5"])),
        ("loss", f"{report['loss']:.4f}"),
        ("images", str(report["images"])),
    ]
    return _align(rows, texts=1)


def format_semantic_report(report: dict[str, Any]) -> str:
    """Mean IoU and that of each class in percent; "-" is NaN."""
    rows = [("mIoU", _percent(report["mean_iou"]))]
    rows += [(one["name"], _percent(one["iou"])) for one in report["classes"]]
    return _align(rows, texts=1)


def write_report(path: str | os.PathLike, report: dict[str, Any]) -> None:
    """Writes the report as JSON; what is not finite becomes null."""
    write_json(path, _finite(report))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _percents(scores: dict[str, float]) -> list[str]:
    return [_percent(scores[key]) for key in ("pq", "sq", "rq")]


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.2f}"


def _align(rows: list[tuple[str, ...]], texts: int) -> str:
    """Pads columns; the first `texts` of them to the right of their text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if index < texts else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
