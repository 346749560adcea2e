"""Reports of evaluations: a dictionary for JSON, and tables to look at."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from axial_deeplab.data import cityscapes_labels
from axial_deeplab.evaluation.instance_ap import COCO_SCORES
from axial_deeplab.evaluation.mean_iou import SegmentMeanIoU
from axial_deeplab.evaluation.panoptic_quality import PanopticQuality
from axial_deeplab.evaluation.tables import Table, format_tables
from axial_deeplab.evaluation.whole_files import write_json

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


def panoptic_tables(report: Mapping[str, Any]) -> list[Table]:
    """Groups and classes of a `panoptic_report`.

    Classes in neither truth nor prediction are only counted, in the note.
    """
    groups = [
        (name, *_qualities(group), group["n"])
        for name, group in report["panoptic_quality"].items()
    ]
    groups.append(("mIoU", report["mean_iou"], None, None, None))
    rows = [
        (
            str(one["name"]),
            "thing" if one["isthing"] else "stuff",
            *_qualities(one),
            *(one[key] for key in ("tp", "fp", "fn")),
            one["iou"],
        )
        for one in report["classes"]
        if not (math.isnan(one["pq"]) and math.isnan(one["iou"]))
    ]
    columns = "class", "kind", "PQ", "SQ", "RQ", "TP", "FP", "FN", "IoU"
    hidden = len(report["classes"]) - len(rows)
    return [
        Table("groups", ("", "PQ", "SQ", "RQ", "classes"), groups),
        Table("classes", columns, rows, texts=2, note=_absent(hidden)),
    ]


def format_report(report: Mapping[str, Any]) -> str:
    """A `panoptic_report` as aligned tables in percent; "-" is NaN."""
    return format_tables(panoptic_tables(report))


def cityscapes_pixel_tables(result: Mapping[str, Any]) -> list[Table]:
    """Of `CityscapesPixelScores.result`: means, classes and categories."""
    names = [x.name for x in cityscapes_labels.EVALUATED_LABELS]
    categories = [name for name in result["categoryScores"] if name != "void"]
    means = [
        (
            kind.lower(),
            result[f"averageScore{kind}"],
            result[f"averageScoreInst{kind}"],
        )
        for kind in ("Classes", "Categories")
    ]
    parts = ("class", names, "class"), ("category", categories, "category")
    return [
        Table("means", ("", "IoU", "iIoU"), means),
        *(
            _score_table(
                name,
                keys,
                {
                    "IoU": result[f"{field}Scores"],
                    "iIoU": result[f"{field}InstScores"],
                },
            )
            for name, keys, field in parts
        ),
    ]


def cityscapes_instance_tables(result: Mapping[str, Any]) -> list[Table]:
    """Of `CityscapesInstancePrecision.result`: means and classes."""
    averages = result["averages"]
    classes = averages["classes"]
    parts = [key[5:] for key in averages if key != "classes"]
    scores = {
        f"AP{part.rstrip('%')}": {
            name: one[f"ap{part}"] for name, one in classes.items()
        }
        for part in parts
    }
    means = ("all", *(averages[f"allAp{part}"] for part in parts))
    return [
        Table("means", ("", *scores), [means]),
        _score_table("class", list(classes), scores),
    ]


def coco_instance_tables(
    result: Mapping[str, Any], names: Mapping[Any, str]
) -> list[Table]:
    """Of `CocoInstancePrecision.result`; `names` are those of the classes."""
    scores = [(name, result[name]) for name in COCO_SCORES]
    found = {names[key]: value for key, value in result["per_class"].items()}
    return [
        Table("scores", ("score", "value"), scores),
        _score_table("class", found, {"AP": found}),
    ]


def mapillary_pixel_tables(result: Mapping[str, Any]) -> list[Table]:
    """Of `MapillaryPixelScores.result`: means, classes and groups."""
    means = [
        (name.replace("_", " "), level["mean_iou"], level["mean_iiou"])
        for name, level in result.items()
    ]
    tables = [Table("means", ("", "IoU", "iIoU"), means)]
    for name, level in result.items():
        scores = {"IoU": level["iou"], "iIoU": level["iiou"]}
        one = "class" if name == "classes" else name.replace("_", " ")
        tables.append(_score_table(one, level["iou"], scores))
    return tables


def mapillary_instance_tables(result: Mapping[str, Any]) -> list[Table]:
    """Of `MapillaryInstancePrecision.result`: means and classes."""
    classes = result["classes"]
    scores = {
        name.upper(): {key: one[name] for key, one in classes.items()}
        for name in ("ap", "ap50")
    }
    means = ("all", result["ap"], result["ap50"])
    return [
        Table("means", ("", "AP", "AP50"), [means]),
        _score_table("class", classes, scores),
    ]


def semantic_tables(
    result: Mapping[str, Any], names: Sequence[str]
) -> list[Table]:
    """Of `MeanIoU.result`: means and classes, with the names of the classes."""
    means = [
        ("mIoU", result["mean_iou"]),
        ("mean accuracy", result["mean_accuracy"]),
        ("pixel accuracy", result["pixel_accuracy"]),
    ]
    scores = dict(zip(names, result["per_class"].values(), strict=True))
    return [
        Table("means", ("", "value"), means),
        _score_table("class", names, {"IoU": scores}),
    ]


def format_classification_report(report: Mapping[str, Any]) -> str:
    """Top-1 and top-5 accuracy in percent, the loss, the number of images."""
    rows = [
        ("top-1", report["top_1"]),
        ("top-5", report["top_5"]),
        ("loss", f"{report['loss']:.4f}"),
        ("images", report["images"]),
    ]
    return format_tables([Table("accuracy", ("", "value"), rows)])


def format_semantic_report(report: Mapping[str, Any]) -> str:
    """Mean IoU and that of each class in percent; "-" is NaN."""
    rows = [("mIoU", report["mean_iou"])]
    rows += [(one["name"], one["iou"]) for one in report["classes"]]
    return format_tables([Table("classes", ("class", "IoU"), rows)])


def write_report(path: str | os.PathLike, report: Mapping[str, Any]) -> None:
    """Writes the report as JSON; what is not finite becomes null."""
    write_json(path, _finite(report))


def _score_table(
    kind: str, names: Sequence[str], scores: Mapping[str, Mapping[str, float]]
) -> Table:
    """A row a name; names without any score are only counted."""
    rows = []
    for name in names:
        row = [of_name.get(name, math.nan) for of_name in scores.values()]
        if not all(map(math.isnan, row)):
            rows.append((name, *row))
    note = _absent(len(names) - len(rows))
    return Table(f"{kind} scores", (kind, *scores), rows, note=note)


def _absent(number: int) -> str:
    return f"({number} classes do not occur)" if number else ""


def _qualities(scores: Mapping[str, float]) -> list[float]:
    return [scores[key] for key in ("pq", "sq", "rq")]


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
