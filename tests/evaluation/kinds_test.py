"""Every kind of evaluation on small files, as the tool runs it."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.evaluation import (
    PanopticResultWriter,
    kinds,
    write_report,
)
from axial_deeplab.evaluation.evaluation_options import EvaluationOptions
from axial_deeplab.evaluation.html_report import Page, write_html
from axial_deeplab.evaluation.tables import format_tables, write_csv
from tests.evaluation import cityscapes_tree

CAR, ROAD = 55, 13


def _save(path, values, dtype=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values).astype(dtype)).save(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Truth and predictions of every kind, options by kind."""
    root = tmp_path_factory.mktemp("files")
    instances = np.full((20, 30), ROAD * 256)
    instances[4:16, 3:18] = CAR * 256 + 5
    labels = np.roll(instances // 256, 1, axis=1)
    _save(root / "vistas" / "a.png", instances, np.uint16)
    _save(root / "vistas_labels" / "a.png", labels)
    _save(root / "vistas_masks" / "a_0.png", labels == CAR)
    (root / "vistas_masks" / "a.txt").write_text(f"a_0.png {CAR} 0.5\n")
    _save(root / "classes" / "a.png", instances // 256 == CAR)
    _save(root / "found" / "a.png", labels == CAR)
    spec = dataset_spec("cityscapes_panoptic")
    for name, street in (
        ("truth", cityscapes_tree.instance_map),
        ("panoptic", cityscapes_tree.predicted_map),
    ):
        with PanopticResultWriter(root, spec, name) as writer:
            for seed, image_id in enumerate(cityscapes_tree.IDS):
                panoptic = np.where(street(seed) == 26001, 13001, 0)
                writer.add(image_id, panoptic, {13001: 0.5})
    truth = cityscapes_tree.write_truth(root / "val")
    cityscapes_tree.write_labels(root / "labels")
    cityscapes_tree.write_masks(root / "masks")
    truths = {"gt_json_file": root / "truth.json"}
    found = {"pred_json_file": root / "panoptic.json"}
    vistas, val = {"gt_folder": root / "vistas"}, {"gt_folder": truth}
    return {
        "panoptic": truths | found,
        "coco_instance": truths | found,
        "cityscapes_panoptic": val | found,
        "cityscapes_pixel": val | {"pred_folder": root / "labels"},
        "cityscapes_instance": val | {"pred_folder": root / "masks"},
        "mapillary_pixel": vistas | {"pred_folder": root / "vistas_labels"},
        "mapillary_instance": vistas | {"pred_folder": root / "vistas_masks"},
        "semantic": {
            "gt_folder": root / "classes",
            "pred_folder": root / "found",
            "num_classes": 2,
        },
    }


def _evaluate(files, name, **more):
    return kinds.KINDS[name].evaluate(EvaluationOptions(**files[name], **more))


def test_the_cases_are_all_kinds(files):
    assert files.keys() == kinds.KINDS.keys()


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("panoptic", ["All ", "car ", "(17 classes do not occur)"]),
        ("coco_instance", ["ap ", "ar_large ", "car ", "(7 classes do not"]),
        ("cityscapes_panoptic", ["All ", "car ", "person "]),
        ("cityscapes_pixel", ["classes", "road ", "vehicle "]),
        ("cityscapes_instance", ["all ", "car ", "(7 classes do not occur)"]),
        ("mapillary_pixel", ["top groups", "object--vehicle--car "]),
        ("mapillary_instance", ["all", "object--vehicle--car"]),
        ("semantic", ["mIoU ", "0 ", "1 "]),
    ],
)
def test_tables_show_what_was_found(files, name, lines):
    text = format_tables(_evaluate(files, name).tables).splitlines()
    for line in lines:
        assert any(one.startswith(line) for one in text), (line, text)


@pytest.mark.parametrize(
    "name", ["panoptic", "cityscapes_panoptic", "cityscapes_pixel", "semantic"]
)
def test_confusions_and_worst_images_come_with_maps(files, name):
    found = _evaluate(files, name, worst_images=2)
    assert found.confusion.pixels.sum() > 0
    assert found.confusion.pixels.shape == (
        len(found.confusion.rows),
        len(found.confusion.columns),
    )
    assert len(found.comparisons) == (1 if name == "semantic" else 2)
    assert "errors" in found.comparisons[0].pictures and found.legend
    assert not _evaluate(files, name).comparisons


@pytest.mark.parametrize("name", sorted(kinds.KINDS))
def test_every_kind_is_written_whatever_the_workers(files, name, tmp_path):
    reports = []
    for workers in (1, 3):
        found = _evaluate(files, name, workers=workers, worst_images=1)
        write_report(tmp_path / "report.json", found.report)
        reports.append((tmp_path / "report.json").read_text())
    assert reports[0] == reports[1] and json.loads(reports[0])
    write_csv(tmp_path / "scores.csv", found.tables)
    with open(tmp_path / "scores.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == sum(len(table.rows) for table in found.tables)
    pictures = found.comparisons, found.legend, found.confusion
    write_html(tmp_path / "page.html", Page(name, found.tables, *pictures))
    page = (tmp_path / "page.html").read_text()
    assert "http" not in page and "<script src" not in page
    assert ("Confusion matrix" in page) == (found.confusion is not None)
    for row in rows:
        assert f"<td class=text>{row['name']}<" in page


def test_mapillary_pictures_show_labels(files):
    found = _evaluate(files, "mapillary_pixel", worst_images=1)
    (one,) = found.comparisons
    truth = one.pictures["truth"]
    assert truth[5, 5].tolist() == [0, 0, 142]
    assert truth[0, 0].tolist() == [128, 64, 128]


def test_classes_come_from_a_data_set_or_a_number(files):
    options = dict(files["semantic"])
    del options["num_classes"]
    evaluate = kinds.KINDS["semantic"].evaluate
    with pytest.raises(ValueError, match="either --dataset or --num_classes"):
        evaluate(EvaluationOptions(**options))
    found = evaluate(EvaluationOptions(**options, dataset="shapes"))
    assert found.tables[1].rows[0][0] == "stripes"
    assert found.tables[1].note == "(7 classes do not occur)"


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("panoptic", ["gt_json_file"], "panoptic needs --pred_json_file"),
        ("semantic", ["gt_folder"], "semantic needs --pred_folder"),
        (
            "coco_instance",
            ["gt_json_file", "pred_json_file", "dataset"],
            "coco_instance does not take --dataset",
        ),
    ],
)
def test_missing_and_useless_options_are_named(name, given, words):
    with pytest.raises(ValueError, match=words):
        kinds.check_options(name, given)
