"""What README says, done: its example runs, its names and files exist."""

import pathlib
import re

import pytest

import axial_deeplab
from axial_deeplab.data import convert_shapes, shards
from tests.export.toy import ToyPanopticModel

_PROJECT = pathlib.Path(__file__).resolve().parent.parent
_README = (_PROJECT / "README.md").read_text()

_PATH = re.compile(r"(?:\w+/)*(?:tools|configs)/[\w/]+\.\w+")


def _blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", _README, re.M | re.S)


def _toy(name, num_classes):
    assert name in axial_deeplab.list_models()
    return ToyPanopticModel(num_classes)


@pytest.mark.parametrize(
    "create, least_bytes",
    [
        (_toy, 10_000),
        pytest.param(
            axial_deeplab.create_model, 1_000_000, marks=pytest.mark.large
        ),
    ],
    ids=["toy", "as named"],
)
def test_the_example_trains_and_saves_a_model(
    create, least_bytes, tmp_path, monkeypatch
):
    (example,) = _blocks("python")
    monkeypatch.setattr(axial_deeplab, "create_model", create)
    folder = tmp_path / "runs/quickstart/shapes"
    folder.mkdir(parents=True)
    list(
        shards.write_shards(
            [folder / "train-00000-of-00001.tfrecord"],
            range(8),
            lambda index: convert_shapes.shapes_record(
                index, 0, "train", (97, 97)
            ),
        )
    )
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert (tmp_path / "runs/model.keras").stat().st_size > least_bytes


def test_its_models_exist():
    named = set(re.findall(r"`(axial_(?:resnet|deeplab)_\w+)`", _README))
    assert named and named <= set(axial_deeplab.list_models())


@pytest.mark.parametrize(
    "path",
    sorted(set(re.findall(r"(?:\w+/)*(?:tools|configs)/[\w/]+\.\w+", _README))),
)
def test_its_files_exist(path):
    assert (_PROJECT / path).is_file()
