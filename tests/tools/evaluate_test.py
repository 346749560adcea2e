import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from absl import flags
from PIL import Image

from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.evaluation import PanopticResultWriter, pq_compute
from tools import evaluate

PROJECT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    spec = dataset_spec("shapes")
    thing = spec.thing_ids[0] * spec.label_divisor + 1
    panoptic = np.zeros((20, 20), np.int32)
    panoptic[4:12, 4:12] = thing
    with PanopticResultWriter(folder, spec, "truth") as writer:
        writer.add("1", panoptic)
    with PanopticResultWriter(folder, spec, "found") as writer:
        writer.add("1", np.roll(panoptic, 1, axis=0))
    return folder


def _evaluate(*arguments):
    return subprocess.run(
        [sys.executable, str(PROJECT / "tools" / "evaluate.py"), *arguments],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def _file_flags(folder, found="found"):
    return (
        f"--gt_json_file={folder}/truth.json",
        f"--pred_json_file={folder}/{found}.json",
    )


def _refusal(done):
    assert done.returncode == 2, done.stderr
    assert not done.stdout
    lines = [x for x in done.stderr.splitlines() if "evaluate.py: " in x]
    assert len(lines) == 1 and "Traceback" not in done.stderr
    return lines[0]


def test_prints_the_table_and_writes_the_report(files, tmp_path):
    report_file = tmp_path / "report.json"
    done = _evaluate(
        "--metric=panoptic",
        *_file_flags(files),
        f"--output_file={report_file}",
        "--workers=1",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(report_file.read_text())
    result = pq_compute(files / "truth.json", files / "found.json")
    for group in ("All", "Things", "Stuff"):
        assert report["panoptic_quality"][group] == result[group]
    assert 0.5 < report["mean_iou"] < 1
    all_row = next(x for x in done.stdout.splitlines() if x.startswith("All"))
    assert all_row.split()[1] == f"{100 * result['All']['pq']:.2f}"


def test_page_shows_where_the_model_comes_from(files, tmp_path):
    """Settings, curves, and attention beside the maps."""
    model, attention = tmp_path / "model", tmp_path / "attention"
    for folder in (model, attention):
        folder.mkdir()
    for path in (model / "training_curves.png", attention / "1.png"):
        Image.new("RGB", (7, 5), "red").save(path)
    arguments = [
        "--metric=panoptic",
        *_file_flags(files),
        f"--html_file={tmp_path}/page.html",
        f"--model_dir={model}",
        f"--attention_folder={attention}",
    ]
    with pytest.raises(FileNotFoundError, match="no .*params.yaml; it must be"):
        evaluate.evaluate(_values(arguments))
    (model / "params.yaml").write_text("seed: 1 <&>")
    evaluate.evaluate(_values(arguments))
    page = (tmp_path / "page.html").read_text()
    assert "seed: 1 &lt;&amp;&gt;" in page and 'alt="training curves"' in page
    assert "<figcaption>attention" in page


def test_writes_a_page_and_a_csv(files, tmp_path):
    outputs = (
        f"--html_file={tmp_path}/page.html",
        f"--csv_file={tmp_path}/scores.csv",
        "--worst_images=1",
    )
    values = _values(["--metric=panoptic", *_file_flags(files), *outputs])
    assert "disc" in evaluate.evaluate(values)
    page = (tmp_path / "page.html").read_text()
    assert page.count("<img ") == 3 and "Confusion matrix" in page
    assert "http" not in page and "<script src" not in page
    assert "disc" in page and "disc" in (tmp_path / "scores.csv").read_text()


def test_missing_file_is_one_line(files):
    done = _evaluate("--metric=panoptic", *_file_flags(files, "none"))
    assert "There is no annotation file" in _refusal(done)


def test_id_without_pixels_is_named(files, tmp_path):
    content = json.loads((files / "found.json").read_text())
    extra = {"id": 77, "category_id": 1}
    content["annotations"][0]["segments_info"].append(extra)
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(content))
    arguments = [
        "--metric=panoptic",
        f"--gt_json_file={files}/truth.json",
        f"--pred_json_file={changed}",
        f"--pred_folder={files}/found",
        f"--output_file={tmp_path}/report.json",
    ]
    words = "In the image with ID 1 the following segment IDs .77."
    with pytest.raises(KeyError, match=words):
        evaluate.evaluate(_values(arguments))
    assert not (tmp_path / "report.json").exists()


def test_metric_that_is_none_is_refused():
    with pytest.raises(flags.IllegalFlagValueError, match="--metric.*panoptic"):
        _values(["--metric=colour"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--metric=cityscapes_pixel"], "cityscapes_pixel needs --gt_folder"),
        (
            ["--metric=panoptic", "--gt_json_file=a", "--pred_json_file=b"]
            + ["--num_classes=5"],
            "panoptic does not take --num_classes",
        ),
        (
            ["--metric=semantic", "--gt_folder=a", "--pred_folder=b"]
            + ["--worst_images=5"],
            "--worst_images needs --html_file",
        ),
        (["--metric=panoptic", "--html_file=/no/x"], "--html_file: no folder"),
    ],
)
def test_flags_that_do_not_fit_are_one_line(arguments, words):
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        evaluate.evaluate(_values(arguments))


def _values(arguments):
    values = flags.FlagValues()
    evaluate.define_flags(values)
    values(["evaluate.py", *arguments])
    return values


def test_help_says_what_each_metric_is():
    values = flags.FlagValues()
    evaluate.define_flags(values)
    assert "panoptic: PQ and mean IoU" in values["metric"].help
