"""Every official layout gives the map that was drawn."""

import numpy as np
import pytest

from axial_deeplab.data import (
    convert_ade20k,
    convert_cityscapes,
    convert_mapillary,
    mat_files,
    sources,
)
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.data.sources import SourceFiles
from tests.data import official_trees


def examples(dataset, folder, split="val"):
    source = sources.open_source(dataset, SourceFiles(split, str(folder)))
    return [x for item in source.items() for x in source.examples(item)]


def assert_one(found, name, panoptic):
    (example,) = found
    assert example.name == name
    assert example.panoptic.dtype == np.int32
    np.testing.assert_array_equal(example.panoptic, panoptic)


def test_cityscapes_from_instance_images(tmp_path):
    official_trees.write_cityscapes(tmp_path)
    found = examples("cityscapes_panoptic", tmp_path)
    assert_one(
        found, f"{official_trees.FRAME}.png", official_trees.CITYSCAPES_MAP
    )
    assert found[0].format == "png"


@pytest.mark.parametrize("train_ids", [False, True])
def test_cityscapes_from_the_official_panoptic_files(tmp_path, train_ids):
    official_trees.write_cityscapes(tmp_path)
    official_trees.write_cityscapes_panoptic(tmp_path, train_ids)
    truth = tmp_path / "gtFine" / "cityscapes_panoptic_val"
    files = SourceFiles(
        "val",
        images_dir=str(tmp_path / "leftImg8bit" / "val"),
        panoptic_json=str(truth.with_suffix(".json")),
        panoptic_dir=str(truth),
    )
    source = sources.open_source("cityscapes_panoptic", files)
    (item,) = source.items()
    assert_one(
        list(source.examples(item)),
        f"{official_trees.FRAME}.png",
        official_trees.CITYSCAPES_MAP,
    )


@pytest.mark.parametrize("inner", ["", "v1.2"])
def test_mapillary(tmp_path, inner):
    official_trees.write_mapillary(tmp_path, inner)
    found = examples("mapillary_panoptic", tmp_path)
    assert_one(found, "a1.jpg", official_trees.MAPILLARY_MAP)


def test_mapillary_keeps_256_objects_of_a_class():
    spec = dataset_spec("mapillary_panoptic")
    values = 55 * 256 + np.arange(256).reshape(16, 16)
    panoptic = convert_mapillary.panoptic_map(values, spec, "x.png")
    np.testing.assert_array_equal(panoptic.ravel(), 55000 + np.arange(1, 257))


def test_ade20k_panoptic(tmp_path):
    official_trees.write_ade20k(tmp_path)
    found = examples("ade20k_panoptic", tmp_path)
    assert_one(found, "ADE_val_00000001.jpg", official_trees.ADE20K_MAP)


def test_ade20k_semantic(tmp_path):
    official_trees.write_ade20k(tmp_path)
    found = examples("ade20k_semantic", tmp_path, "validation")
    assert_one(
        found, "ADE_val_00000001.jpg", official_trees.ADE20K_SEMANTIC_MAP
    )


def test_coco_stuff(tmp_path):
    official_trees.write_coco_stuff(tmp_path)
    found = examples("coco_stuff", tmp_path)
    assert_one(found, "000000000001.jpg", official_trees.COCO_STUFF_MAP)


def test_pascal_voc(tmp_path):
    official_trees.write_voc(tmp_path)
    found = examples("pascal_voc", tmp_path)
    assert_one(found, "2007_000033.jpg", official_trees.VOC_MAP)


def test_pascal_voc_with_additional_annotations(tmp_path):
    official_trees.write_voc(tmp_path, "SegmentationClassAug", split="trainaug")
    found = examples("pascal_voc", tmp_path, "trainaug")
    assert_one(found, "2007_000033.jpg", official_trees.VOC_MAP)


def test_pascal_context(tmp_path):
    official_trees.write_voc(
        tmp_path,
        "SegmentationClassContext",
        "SegmentationContext",
        values=[[0, 1, 2, 37, 59, 59]] * 4,
    )
    found = examples("pascal_context", tmp_path)
    expected = [[0, 1000, 2000, 37000, 59000, 59000]] * 4
    assert_one(found, "2007_000033.jpg", expected)


@pytest.mark.parametrize("compressed", [False, True])
def test_pascal_context_from_the_official_files(tmp_path, compressed):
    official_trees.write_context(tmp_path, compressed)
    found = examples("pascal_context", tmp_path)
    assert_one(found, "2008_000002.jpg", official_trees.CONTEXT_MAP)


def test_matrices_are_read_as_scipy_writes_them(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    values = np.arange(20).reshape(4, 5)
    for kind in (np.uint8, np.uint16, np.float64):
        content = {"other": "text", "LabelMap": values.astype(kind)}
        scipy_io.savemat(tmp_path / "a.mat", content, do_compression=True)
        found = mat_files.read_matrix(tmp_path / "a.mat", "LabelMap")
        np.testing.assert_array_equal(found, values)


def test_bad_matlab_files_are_named(tmp_path):
    whole = official_trees.mat_file("LabelMap", np.ones((4, 6)), False)
    path = tmp_path / "a.mat"
    for content, message in (
        (b"text", "no readable MATLAB 5 file: not a little-endian"),
        (whole[:-20], "no readable MATLAB 5 file: it ends too early"),
        (whole.replace(b"LabelMap", b"LabelMax"), "holds no matrix LabelMap"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"a.mat .*{message}"):
            mat_files.read_matrix(path, "LabelMap")


def isaid_colours():
    spec = dataset_spec("isaid")
    return [(0, 0, 0)] + [one.colour for one in spec.classes[1:]]


def test_isaid_patches_cover_the_image(tmp_path):
    labels = np.random.default_rng(0).integers(0, 16, (1000, 900))
    labels[300:600, 200:400] = 3
    official_trees.write_isaid(tmp_path, labels, isaid_colours())
    found = examples("isaid", tmp_path)
    assert [x.name for x in found] == [
        "P0003_0_896_0_896.png",
        "P0003_0_896_4_900.png",
        "P0003_104_1000_0_896.png",
        "P0003_104_1000_4_900.png",
    ]
    np.testing.assert_array_equal(found[3].panoptic, labels[104:, 4:] * 1000)


def test_isaid_starts_are_those_of_the_common_recipe():
    source = sources.TREES["isaid"]("none", "val")
    assert source.starts(896) == [0]
    assert source.starts(500) == [0]
    assert source.starts(1408) == [0, 512]
    assert source.starts(2000) == [0, 512, 1024, 1104]
    with pytest.raises(ValueError, match="larger than their overlap"):
        sources.TREES["isaid"]("none", "val", patch_px=384)


def test_unknown_labels_are_named():
    city = dataset_spec("cityscapes_panoptic")
    with pytest.raises(ValueError, match="x.png: .* 77.* unknown label id 77"):
        convert_cityscapes.panoptic_map(np.array([[77]]), city, "x.png")
    vistas = dataset_spec("mapillary_panoptic")
    values = np.array([[13 * 256, 70 * 256 + 1]])
    with pytest.raises(
        ValueError, match="label 17921, first at row 0, col.* 1"
    ):
        convert_mapillary.panoptic_map(values, vistas, "x.png")


@pytest.mark.parametrize(
    "objects, message",
    [
        ([[(101, 1), (0, 0)]], "object 1 has the unknown category 101"),
        ([[(1, 1), (2, 1)]], "object 1 has two categories"),
    ],
)
def test_contradicting_objects_are_named(objects, message):
    pixels = np.array([[(*one, 0) for one in objects[0]]], np.uint8)
    with pytest.raises(ValueError, match=f"x.png: {message}"):
        convert_ade20k.paste_objects(
            np.zeros((1, 2), np.int32),
            pixels,
            dataset_spec("ade20k_panoptic"),
            "x.png",
        )


@pytest.mark.parametrize("dataset", sorted(sources.TREES))
def test_empty_trees_are_named(dataset, tmp_path):
    with pytest.raises((FileNotFoundError, ValueError), match=str(tmp_path)):
        examples(dataset, tmp_path)


def test_wrong_size_is_named(tmp_path):
    official_trees.write_coco_stuff(tmp_path)
    official_trees.photograph(tmp_path / "val2017/000000000001.jpg", (4, 5))
    with pytest.raises(ValueError, match="1.jpg has 4x5 px, but .*1.png 4x6"):
        examples("coco_stuff", tmp_path)


def test_colour_pngs_are_no_labels(tmp_path):
    official_trees.write_coco_stuff(tmp_path)
    (labels,) = (tmp_path / "stuffthingmaps_trainval2017").glob("*/*.png")
    official_trees.photograph(labels)
    with pytest.raises(ValueError, match="mode RGB; labels need one channel"):
        examples("coco_stuff", tmp_path)
