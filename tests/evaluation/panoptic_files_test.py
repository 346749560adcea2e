import json
import math

import numpy as np
import pytest
from PIL import Image

from axial_deeplab.evaluation import (
    PanopticQuality,
    SegmentMeanIoU,
    evaluate_panoptic_files,
    pq_compute,
)
from axial_deeplab.evaluation.png_files import read_id_png, write_id_png
from tests import golden
from tests.evaluation import panoptic_cases

CATEGORIES = [
    {"id": 7, "name": "cat", "isthing": 1},
    {"id": 3, "name": "road", "isthing": 0},
]


def _write(folder, name, images, categories=None):
    """Writes {image id: (map, segments)} as files; returns the JSON's path."""
    (folder / name).mkdir(parents=True)
    annotations = []
    for image_id, (ids, segments) in images.items():
        write_id_png(folder / name / f"{image_id}.png", ids)
        annotations.append(
            {
                "image_id": image_id,
                "file_name": f"{image_id}.png",
                "segments_info": segments,
            }
        )
    content = {"annotations": annotations}
    if categories is not None:
        content["categories"] = categories
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content))
    return path


def _scene(seed):
    random = np.random.default_rng(seed)
    ids = np.kron(random.integers(0, 3, (4, 4)), np.ones((4, 5), int))
    ids[0] = 70000
    segments = [
        {
            "id": i,
            "category_id": 7 if i == 1 else 3,
            "area": int((ids == i).sum()),
            "iscrowd": 0,
        }
        for i in np.unique(ids).tolist()
        if i
    ]
    return ids, segments


@pytest.fixture
def files(tmp_path):
    """A truth and a prediction of five images that differ a little."""
    truth, predicted = {}, {}
    for seed in range(5):
        ids, segments = _scene(seed)
        truth[f"image{seed}"] = (ids, segments)
        shifted = np.roll(ids, 1, axis=1)
        predicted[f"image{seed}"] = (shifted, segments)
    return (
        _write(tmp_path, "truth", truth, CATEGORIES),
        _write(tmp_path, "found", predicted),
    )


def _change(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_files_equal_maps_in_memory(files):
    quality, mean_iou = evaluate_panoptic_files(*files)
    in_memory = PanopticQuality(CATEGORIES), SegmentMeanIoU(CATEGORIES)
    for seed in range(5):
        ids, segments = _scene(seed)
        image = ids, segments, np.roll(ids, 1, axis=1), segments
        for metric in in_memory:
            metric.update(*image)
    assert quality.result() == in_memory[0].result()
    assert mean_iou.result() == in_memory[1].result()
    assert 0.2 < quality.result()["All"]["pq"] < 1
    assert pq_compute(*files) == quality.result()


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_result_does_not_depend_on_the_workers(files, workers):
    assert pq_compute(*files, workers=workers) == pq_compute(*files)


def test_folders_can_be_given(files, tmp_path):
    expected = pq_compute(*files)
    (tmp_path / "truth").rename(tmp_path / "a")
    (tmp_path / "found").rename(tmp_path / "b")
    got = pq_compute(*map(str, files), tmp_path / "a", str(tmp_path / "b"))
    assert got == expected


def test_no_images_at_all_give_nan(files):
    _change(files[0], lambda content: content.update(annotations=[]))
    result = pq_compute(*files)
    assert result["All"]["n"] == 0
    assert math.isnan(result["All"]["pq"])


def _first(content):
    return content["annotations"][0]


@pytest.mark.parametrize(
    ("which", "change", "error", "words"),
    [
        (1, lambda c: _first(c).pop("image_id"), KeyError, "no field 'image_i"),
        (1, lambda c: _first(c).pop("file_name"), KeyError, "'file_name'"),
        (0, lambda c: _first(c).pop("segments_info"), KeyError, "segments_inf"),
        (0, lambda c: c.pop("categories"), ValueError, "no list `categories`"),
        (1, lambda c: c.pop("annotations"), ValueError, "no list `annotation"),
        (1, lambda c: c["annotations"].pop(), Exception, "with id: image4"),
        (1, lambda c: _first(c).update(image_id=[]), ValueError, "no image id"),
        (
            1,
            lambda c: _first(c).update(file_name=5),
            ValueError,
            "no file name",
        ),
        (
            0,
            lambda c: _first(c).update(segments_info=[1]),
            ValueError,
            "no list",
        ),
        (
            1,
            lambda c: _first(c).update(file_name="gone.png"),
            FileNotFoundError,
            "no file 'gone.png' in .*found",
        ),
        (
            1,
            lambda c: _first(c).update(file_name="../truth/image0.png"),
            ValueError,
            "'../truth/image0.png' leads out of .*found",
        ),
        (
            0,
            lambda c: _first(c).update(file_name="/etc/passwd"),
            ValueError,
            "'/etc/passwd' leads out of .*truth",
        ),
    ],
)
def test_bad_json_is_named(files, which, change, error, words):
    _change(files[which], change)
    with pytest.raises(error, match=words):
        pq_compute(*files)


def test_a_link_out_of_the_folder_is_not_followed(files, tmp_path):
    png = tmp_path / "found" / "image0.png"
    png.rename(tmp_path / "secret.png")
    png.symlink_to(tmp_path / "secret.png")
    with pytest.raises(ValueError, match="'image0.png' leads out"):
        pq_compute(*files)


def test_bad_folders_and_files_are_named(files, tmp_path):
    with pytest.raises(FileNotFoundError, match="no annotation file .*none"):
        pq_compute(tmp_path / "none.json", files[1])
    with pytest.raises(FileNotFoundError, match="ground truth .* doesn't exi"):
        pq_compute(*files, gt_folder=tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty with predicted .* empt"):
        pq_compute(*files, pred_folder=tmp_path / "empty")
    with pytest.raises(ValueError, match="`workers` must be >= 1; got 0"):
        pq_compute(*files, workers=0)
    kinds = (b"{", json.JSONDecodeError), (b"\xff\xfe\xfd", ValueError)
    for content, kind in kinds:
        files[1].write_bytes(content)
        with pytest.raises(kind, match="found.json is no JSON file"):
            pq_compute(*files)


def test_the_first_bad_image_is_named_whatever_the_workers(files, tmp_path):
    for image in ("image3", "image1"):
        (tmp_path / "found" / f"{image}.png").write_text("no picture")
    with pytest.raises(ValueError, match="image1.png is no readable PNG"):
        pq_compute(*files, workers=4)


@pytest.mark.golden
@pytest.mark.parametrize("name", panoptic_cases.names())
def test_equals_the_official_tool(name, tmp_path):
    case, maps = panoptic_cases.load(name)
    truth, predicted = {}, {}
    for image in case["images"]:
        image_id = image["image_id"]
        truth[image_id] = maps[image["gt_key"]], image["gt_segments"]
        if image["pred_key"] is not None:
            predicted[image_id] = (
                maps[image["pred_key"]],
                image["pred_segments"],
            )
    for extra in case.get("extra_pred", ()):
        predicted[extra["image_id"]] = (
            maps[extra["pred_key"]],
            extra["pred_segments"],
        )
    if not predicted:
        # The folder of the predictions must not be empty.
        predicted["another image"] = (np.zeros((1, 1), int), [])
    arguments = (
        _write(tmp_path, "truth", truth, case["categories"]),
        _write(tmp_path, "found", predicted),
    )
    error = case["expected"]["pq_compute"].get("error")
    if error and error["type"] != "ZeroDivisionError":
        with pytest.raises(Exception) as caught:  # noqa: B017
            pq_compute(*arguments)
        assert type(caught.value).__name__ == error["type"]
        assert error["message"] in caught.value.args[0]
        return
    _assert_official(pq_compute(*arguments), case["expected"]["groups"])


def _assert_official(result, groups):
    for group in ("All", "Things", "Stuff"):
        if "error" in groups[group]:
            assert result[group]["n"] == 0
            assert math.isnan(result[group]["pq"])
            continue
        _assert_close(result[group], groups[group])
    per_class = {str(key): q for key, q in result["per_class"].items()}
    official = groups.get("per_class")
    if official is not None:
        assert per_class.keys() == official.keys()
        for key, quality in official.items():
            _assert_close(per_class[key], quality)


def _assert_close(ours, official):
    assert ours.keys() == official.keys()
    for key, value in official.items():
        value = panoptic_cases.number(value)
        assert ours[key] == pytest.approx(value, abs=1e-9, nan_ok=True)


@pytest.mark.golden
def test_equals_the_official_tool_on_photographs():
    """Two COCO images; values of panopticapi (commit 7bb4655).

    The prediction is the truth moved by 2 rows and 3 columns. In ascending
    order of ids the 11th, 22nd, ... segment is dropped and the 7th, 14th, ...
    called person (44 if it was one).
    """
    root = golden.coco_sample_path()
    truth = json.loads((root / "panoptic.json").read_text())
    metric = PanopticQuality(truth["categories"])
    for annotation in truth["annotations"]:
        ids = read_id_png(root / "panoptic" / annotation["file_name"])
        moved = np.zeros_like(ids)
        moved[2:, 3:] = ids[:-2, :-3]
        segments, found = annotation["segments_info"], []
        ordered = sorted(segments, key=lambda segment: segment["id"])
        for index, segment in enumerate(ordered):
            category = segment["category_id"]
            if index % 11 == 10:
                moved[moved == segment["id"]] = 0
                continue
            if index % 7 == 6:
                category = 44 if category == 1 else 1
            found.append({"id": segment["id"], "category_id": category})
        metric.update(ids, segments, moved, found)
    result = metric.result()
    expected = {
        "All": (0.6428489012, 0.6841504905, 0.8301706648, 9),
        "Things": (0.4700916127, 0.5444344736, 0.6943071966, 5),
        "Stuff": (0.8587955118, 0.8587955118, 1.0, 4),
    }
    for group, values in expected.items():
        assert tuple(result[group].values()) == pytest.approx(values, abs=1e-9)


def test_a_grey_png_is_named(files, tmp_path):
    grey = Image.fromarray(np.zeros((16, 20), np.uint8))
    grey.save(tmp_path / "truth" / "image2.png")
    # The official class, and that of all other bad files.
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match="image2.png is a PNG of mode L"):
            pq_compute(*files)
