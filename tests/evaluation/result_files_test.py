import json

import numpy as np
import pytest
from PIL import Image

from axial_deeplab.data.dataset_specs import (
    ClassSpec,
    DatasetSpec,
    dataset_spec,
)
from axial_deeplab.evaluation import (
    PanopticQuality,
    PanopticResultWriter,
    SegmentMeanIoU,
    evaluate_panoptic_files,
    panoptic_categories,
    panoptic_segments,
    pq_compute,
)
from axial_deeplab.evaluation.png_files import read_id_png, write_id_png
from axial_deeplab.evaluation.whole_files import write_json

# Void inside the classes, gaps in the original ids, many instances a class.
SPEC = DatasetSpec(
    name="streets",
    classes=(
        ClassSpec(1, 7, "road", False, (128, 64, 128)),
        ClassSpec(2, 24, "person", True, (220, 20, 60)),
        ClassSpec(3, 0, "sky", False, (70, 130, 180)),
    ),
    num_classes=4,
    ignore_label=0,
    label_divisor=1000,
)


def test_segments_of_a_drawn_map():
    panoptic = np.array(
        [
            [1000, 1000, 2001, 0],
            [1000, 2000, 2001, 5],
            [3000, 2000, 2000, 1000],
        ],
        np.int32,
    )
    ids, segments = panoptic_segments(panoptic, SPEC)
    assert ids.tolist() == [[1, 1, 3, 0], [1, 2, 3, 0], [4, 2, 2, 1]]
    keys = ("id", "category_id", "iscrowd", "area", "bbox")
    assert [tuple(segment[key] for key in keys) for segment in segments] == [
        (1, 7, 0, 4, [0, 0, 4, 3]),
        (2, 24, 1, 3, [1, 1, 2, 2]),
        (3, 24, 0, 2, [2, 0, 1, 2]),
        (4, 0, 0, 1, [0, 2, 1, 1]),
    ]


def test_class_zero_with_instance_zero_is_a_segment_not_void():
    spec = dataset_spec("shapes")
    assert spec.class_by_id[0].id == 0
    ids, segments = panoptic_segments(
        np.array([[0, spec.ignore_label * spec.label_divisor]]), spec
    )
    assert ids.tolist() == [[1, 0]]
    assert [s["category_id"] for s in segments] == [
        spec.class_by_id[0].original_id
    ]


def test_more_than_255_instances_survive():
    panoptic = 2001 + np.arange(400, dtype=np.int32).reshape(20, 20)
    ids, segments = panoptic_segments(panoptic, SPEC)
    assert len({segment["id"] for segment in segments}) == 400
    assert len(np.unique(ids)) == 400
    assert all(segment["area"] == 1 for segment in segments)


@pytest.mark.parametrize(
    ("panoptic", "words"),
    [
        (np.full((2, 2), 9003), "9003 has the class 9, which streets"),
        (np.full((2, 2), -1), "-1 has the class -1"),
        (np.zeros((2, 2), np.float32), "float32"),
        (np.zeros((2, 2, 1), np.int32), r"\[2, 2, 1\]"),
        (np.zeros((0, 4), np.int32), r"\[0, 4\]"),
    ],
)
def test_bad_panoptic_maps_are_named(panoptic, words):
    with pytest.raises(ValueError, match=words):
        panoptic_segments(panoptic, SPEC)


def test_categories_use_original_ids():
    assert panoptic_categories(SPEC)[1] == {
        "id": 24,
        "name": "person",
        "supercategory": "person",
        "isthing": 1,
        "color": [220, 20, 60],
    }
    assert [c["id"] for c in panoptic_categories(SPEC)] == [7, 24, 0]
    json.dumps(panoptic_categories(SPEC))


def test_id_png_bytes_and_round_trip(tmp_path):
    ids = np.array([[0, 255, 256], [65536, 2**24 - 1, 0x030201]])
    write_id_png(tmp_path / "ids.png", ids)
    pixels = np.asarray(Image.open(tmp_path / "ids.png"))
    assert pixels[1, 2].tolist() == [1, 2, 3]
    assert np.array_equal(read_id_png(tmp_path / "ids.png"), ids)
    assert read_id_png(tmp_path / "ids.png").dtype == np.uint32
    assert [path.name for path in tmp_path.iterdir()] == ["ids.png"]


def test_alpha_is_ignored(tmp_path):
    rgba = np.array([[[1, 2, 3, 0], [4, 0, 0, 255]]], np.uint8)
    Image.fromarray(rgba).save(tmp_path / "ids.png")
    assert read_id_png(tmp_path / "ids.png").tolist() == [[0x030201, 4]]


@pytest.mark.parametrize("wrong", [-1, 2**24])
def test_ids_that_do_not_fit_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match=r"0\.\.16777215"):
        write_id_png(tmp_path / "ids.png", np.array([[wrong]]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["text", "empty", "cut", "jpeg", "palette"])
def test_bad_pngs_are_named(tmp_path, damage):
    path = tmp_path / "street.png"
    noise = np.random.default_rng(0).integers(0, 2**24, (40, 40))
    write_id_png(path, noise)
    if damage == "jpeg":
        Image.open(path).save(path, format="JPEG")
    elif damage == "palette":
        Image.open(path).convert("P").save(path)
    else:
        content = path.read_bytes()
        cut = content[: len(content) // 2]
        path.write_bytes({"text": b"hi", "empty": b"", "cut": cut}[damage])
    official = TypeError if damage == "palette" else OSError
    for kind in (official, ValueError):
        with pytest.raises(kind, match=r"street\.png is (no|a PNG of mode P)"):
            read_id_png(path)


def test_a_missing_png_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_id_png(tmp_path / "none.png")


def test_writer_files(tmp_path):
    panoptic = np.array([[1000, 2001, 0]], np.int32)
    with PanopticResultWriter(tmp_path / "out", SPEC, "val") as writer:
        assert writer.add("000012", panoptic) == (
            tmp_path / "out" / "val" / "000012.png"
        )
        writer.add(b"bonn_1", panoptic)
        assert not writer.json_file.exists()
    content = json.loads((tmp_path / "out" / "val.json").read_text())
    assert [a["image_id"] for a in content["annotations"]] == [12, "bonn_1"]
    assert content["images"][0] == {
        "id": 12,
        "file_name": "000012.png",
        "height": 1,
        "width": 3,
    }
    assert content["categories"] == panoptic_categories(SPEC)
    ids, segments = panoptic_segments(panoptic, SPEC)
    assert content["annotations"][0]["segments_info"] == segments
    assert np.array_equal(read_id_png(tmp_path / "out/val/000012.png"), ids)


def test_a_failed_run_leaves_no_json(tmp_path):
    with pytest.raises(ValueError, match="class 9"):
        with PanopticResultWriter(tmp_path, SPEC) as writer:
            writer.add("1", np.array([[1000]]))
            writer.add("2", np.array([[9000]]))
    names = sorted(path.name for path in tmp_path.rglob("*"))
    assert names == ["1.png", "panoptic"]


def test_an_unfinished_run_takes_the_old_json_along(tmp_path):
    with PanopticResultWriter(tmp_path, SPEC) as writer:
        writer.add("1", np.array([[1000]]))
    assert writer.json_file.exists()
    PanopticResultWriter(tmp_path, SPEC).add("1", np.array([[3000]]))
    assert not writer.json_file.exists()


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "report.json"
    write_json(path, {"a": 1})
    with pytest.raises((TypeError, ValueError)):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["../x", "a/b", "", "..", "a\\b", "a\0b"])
def test_writer_never_leaves_its_folder(tmp_path, name):
    writer = PanopticResultWriter(tmp_path, SPEC)
    with pytest.raises(ValueError, match="file name"):
        writer.add(name, np.array([[1000]]))
    with pytest.raises(ValueError, match="file name"):
        PanopticResultWriter(tmp_path, SPEC, name)


def test_writer_refuses_an_image_twice(tmp_path):
    writer = PanopticResultWriter(tmp_path, SPEC)
    writer.add("0012", np.array([[1000]]))
    with pytest.raises(ValueError, match="12 came twice"):
        writer.add(12, np.array([[1000]]))


def _random_panoptic(random, spec, shape=(24, 30)):
    """Blocks of stuff, instances, crowd and void."""
    values = [spec.ignore_label * spec.label_divisor]
    for one in spec.classes:
        first = one.id * spec.label_divisor
        values += [first, first + 1, first + 2] if one.is_thing else [first]
    blocks = random.choice(values, (4, 5))
    scale = (shape[0] // 4, shape[1] // 5)
    return np.kron(blocks, np.ones(scale, int)).astype(np.int32)


@pytest.mark.parametrize("name", ["shapes", "coco_panoptic", "streets"])
def test_maps_in_memory_equal_their_exported_files(tmp_path, name):
    """The law that lets the trainer and tools/evaluate.py agree."""
    spec = SPEC if name == "streets" else dataset_spec(name)
    random = np.random.default_rng(5)
    metrics = [
        metric(panoptic_categories(spec))
        for metric in (PanopticQuality, SegmentMeanIoU)
    ]
    with (
        PanopticResultWriter(tmp_path, spec, "truth") as truths,
        PanopticResultWriter(tmp_path, spec, "found") as found,
    ):
        for number in range(8):
            truth = _random_panoptic(random, spec)
            other = _random_panoptic(random, spec)
            predicted = np.roll(truth, number, axis=1)
            predicted[:6] = other[:6]
            truths.add(f"image{number}", truth)
            found.add(f"image{number}", predicted)
            for metric in metrics:
                metric.update(
                    *panoptic_segments(truth, spec),
                    *panoptic_segments(predicted, spec),
                )
    files = truths.json_file, found.json_file
    in_memory = metrics[0].result()
    for group in ("All", "Things", "Stuff"):
        from_files = pq_compute(*files)[group]
        assert from_files == pytest.approx(in_memory[group], abs=1e-9)
        assert 0 < from_files["pq"] < 1
    mean_iou = evaluate_panoptic_files(*files)[1].result()
    assert mean_iou["mean_iou"] == metrics[1].result()["mean_iou"]
