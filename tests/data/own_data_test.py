"""Own data: label images or panoptic PNGs, and a YAML file of classes."""

import json

import numpy as np
import pytest

from axial_deeplab.data import sources
from axial_deeplab.data.sources import SourceFiles
from tests.data import official_trees
from tests.data.coco_case import write_id_png

CLASSES = (
    "classes:\n"
    "- {id: 0, name: water, thing: no, original_id: 3}\n"
    "- {id: 1, name: boat, thing: %s, original_id: 40000}\n"
)
VOID = 255_000


@pytest.fixture
def folder(tmp_path):
    official_trees.photograph(tmp_path / "images" / "lake" / "a.jpg")
    return tmp_path


def describe(folder, thing="no"):
    path = folder / "own.yaml"
    path.write_text(CLASSES % thing)
    return str(path)


def labelled(folder, values):
    path = folder / "labels" / "lake" / "a.png"
    official_trees.label_png(path, values, np.uint16)
    source = sources.open_source(
        describe(folder),
        SourceFiles(
            "train",
            images_dir=str(folder / "images"),
            labels_dir=str(folder / "labels"),
        ),
    )
    (item,) = source.items()
    return next(source.examples(item))


def test_label_images(folder):
    values = np.full(official_trees.SIZE, 255)
    values[:2] = 3
    example = labelled(folder, values)
    assert example.name == "lake/a.jpg"
    np.testing.assert_array_equal(example.panoptic[:2], 0)
    np.testing.assert_array_equal(example.panoptic[2:], VOID)


def test_unknown_labels_are_named(folder):
    values = np.full(official_trees.SIZE, 3)
    values[1, 2] = 4
    with pytest.raises(
        ValueError, match="a.png .*label 4, first at row 1, col"
    ):
        labelled(folder, values)


def test_label_images_have_no_things(folder):
    files = SourceFiles("train", images_dir="x", labels_dir="y")
    with pytest.raises(ValueError, match="boat is a thing, but label images"):
        sources.open_source(describe(folder, "yes"), files)


def panoptic(folder, ids, segments, **changes):
    (folder / "panoptic").mkdir()
    write_id_png(folder / "panoptic" / "a.png", ids)
    content = {
        "images": [{"id": 1, "file_name": "lake/a.jpg"}],
        "annotations": [
            {"image_id": 1, "file_name": "a.png", "segments_info": segments}
        ],
    }
    content["annotations"][0] |= changes
    (folder / "panoptic.json").write_text(json.dumps(content))
    source = sources.open_source(
        describe(folder, "yes"),
        SourceFiles(
            "train",
            images_dir=str(folder / "images"),
            panoptic_json=str(folder / "panoptic.json"),
            panoptic_dir=str(folder / "panoptic"),
        ),
    )
    (item,) = source.items()
    return next(source.examples(item)).panoptic


def test_more_than_255_instances_with_ids_up_to_2_24(folder):
    size = (20, 30)
    official_trees.photograph(folder / "images" / "lake" / "a.jpg", size)
    ids = 2**24 - 1 - 27000 * np.arange(600).reshape(size)
    segments = [
        {"id": number, "category_id": 40000, "area": 1, "iscrowd": 0}
        for number in ids.ravel().tolist()
    ]
    found = panoptic(folder, ids, segments)
    np.testing.assert_array_equal(found.ravel(), 1001 + np.arange(600))


@pytest.mark.parametrize("name", ["/etc/a.png", "../a.png", "b/../../a.png"])
def test_paths_that_lead_out_are_refused(folder, name):
    ids = np.zeros(official_trees.SIZE, int)
    with pytest.raises(ValueError, match="panoptic.json: .* leads out of"):
        panoptic(folder, ids, [], file_name=name)


def test_images_of_one_name_are_refused(folder):
    official_trees.photograph(folder / "images" / "lake" / "a.png")
    with pytest.raises(ValueError, match="have the same name"):
        labelled(folder, np.full(official_trees.SIZE, 3))


@pytest.mark.parametrize(
    "dataset, options, message",
    [
        ("isaid", {}, "needs --data_dir, or .*; got none"),
        (
            "coco_panoptic",
            {"data_dir": "x"},
            "needs --images_dir, .*--data_dir",
        ),
        (
            "coco_stuff",
            {"data_dir": "x", "images_dir": "y"},
            "got --data_dir, ",
        ),
        ("coco_stufff", {"data_dir": "x"}, "nearest: coco_stuff"),
    ],
)
def test_unclear_places_are_refused(dataset, options, message):
    with pytest.raises(ValueError, match=message):
        sources.open_source(dataset, SourceFiles("val", **options))
