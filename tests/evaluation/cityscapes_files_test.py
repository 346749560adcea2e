import json
import logging
import math
import shutil

import numpy as np
import pytest
from PIL import Image

from axial_deeplab.evaluation import (
    CityscapesInstancePrecision,
    CityscapesPixelScores,
    PredictedMask,
    evaluate_cityscapes_instances,
    evaluate_cityscapes_panoptic,
    evaluate_cityscapes_pixels,
    evaluate_panoptic_files,
)
from axial_deeplab.evaluation.cityscapes_panoptic import (
    cityscapes_categories,
    cityscapes_segments,
)
from axial_deeplab.evaluation.png_files import write_id_png
from tests.evaluation import cityscapes_cases, cityscapes_tree
from tests.evaluation.cityscapes_tree import IDS


@pytest.fixture
def truth(tmp_path):
    return cityscapes_tree.write_truth(tmp_path / "gtFine" / "val")


@pytest.fixture
def labels(tmp_path):
    return cityscapes_tree.write_labels(tmp_path / "labels")


@pytest.fixture
def lists(tmp_path):
    return cityscapes_tree.write_masks(tmp_path / "found") / "lists"


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_pixels_of_files_equal_maps_in_memory(truth, labels, workers):
    result = evaluate_cityscapes_pixels(truth, labels, workers).result()
    metric = CityscapesPixelScores()
    for seed in range(len(IDS)):
        instances = cityscapes_tree.instance_map(seed)
        found = cityscapes_tree.label_map(cityscapes_tree.predicted_map(seed))
        metric.update(cityscapes_tree.label_map(instances), instances, found)
    assert repr(result) == repr(metric.result())
    assert 0.3 < result["averageScoreInstClasses"] < 1


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_masks_in_files_equal_masks_in_memory(truth, lists, workers):
    found = evaluate_cityscapes_instances(truth, lists.parent, workers)
    metric = CityscapesInstancePrecision()
    for seed in range(len(IDS)):
        masks = [PredictedMask(*one) for one in cityscapes_tree.masks(seed)]
        metric.update(cityscapes_tree.instance_map(seed), masks)
    assert repr(found.result()) == repr(metric.result())
    means = found.result()["averages"]
    assert 0.2 < means["allAp"] < means["allAp50%"] < 1


def test_other_files_of_the_same_folder_do_not_matter(truth, labels):
    expected = repr(evaluate_cityscapes_pixels(truth, labels).result())
    (labels / "notes.txt").write_text("none")
    shutil.copy(
        labels / f"{IDS[0]}_pred.png", labels / "bonn_000000_000019_pred.png"
    )
    found = evaluate_cityscapes_pixels(truth, labels.parent / "labels")
    assert repr(found.result()) == expected


def test_wrong_sets_of_files_are_named(truth, labels, tmp_path):
    with pytest.raises(FileNotFoundError, match="Cannot find any ground truth"):
        evaluate_cityscapes_pixels(labels, labels)
    with pytest.raises(FileNotFoundError, match="no result folder .*none"):
        evaluate_cityscapes_pixels(truth, tmp_path / "none")
    first = labels / f"{IDS[0]}_pred.png"
    shutil.copy(first, labels / f"{IDS[0]}_again.png")
    words = f"multiple predictions .*{IDS[0]}.*: .*again.png and .*pred.png"
    with pytest.raises(ValueError, match=words):
        evaluate_cityscapes_pixels(truth, labels)
    for path in labels.glob(f"{IDS[0]}*"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=f"no prediction .*{IDS[0]}"):
        evaluate_cityscapes_pixels(truth, labels)
    (truth / "ulm" / "ulm_1_labelIds.png").touch()
    with pytest.raises(ValueError, match="Cannot parse .*ulm_1_labelIds"):
        evaluate_cityscapes_pixels(truth, labels)


def _rgb(path):
    Image.open(path).convert("RGB").save(path)


def _cut(path):
    path.write_bytes(path.read_bytes()[:60])


def _narrow(path):
    Image.fromarray(np.full((24, 39), 7, np.uint8)).save(path)


def _train_ids(path):
    Image.fromarray(np.full((24, 40), 255, np.uint8)).save(path)


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (_rgb, ValueError, "aachen_000001.*mode RGB, .*multiple channels"),
        (_cut, ValueError, "aachen_000001.*is no readable PNG"),
        (_narrow, ValueError, "aachen_000001_000019: Image widths .*not equal"),
        (_train_ids, IndexError, "aachen_000001_000019: .* 255 is out of"),
    ],
)
def test_bad_label_pngs_are_named(truth, labels, damage, error, words):
    damage(labels / f"{IDS[1]}_pred.png")
    with pytest.raises(error, match=words):
        evaluate_cityscapes_pixels(truth, labels)


def test_links_out_of_the_results_are_not_followed(truth, labels, lists):
    for folder, name, evaluate in (
        (labels, f"{IDS[0]}_pred.png", evaluate_cityscapes_pixels),
        (lists.parent, f"lists/{IDS[0]}_pred.txt", None),
        (lists.parent, f"masks/{IDS[0]}_0.png", None),
    ):
        path = folder / name
        outside = labels.parent / f"outside_{path.name}"
        path.rename(outside)
        path.symlink_to(outside)
        evaluate = evaluate or evaluate_cityscapes_instances
        with pytest.raises(ValueError, match="leads out of|points outside"):
            evaluate(truth, folder)
        path.unlink()
        outside.rename(path)


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ("", ValueError, "line 2: Invalid prediction file. Expected content"),
        ("a.png 26", ValueError, "line 2: Invalid prediction file. Expected"),
        ("a.png  26 0.5", ValueError, "line 2: Invalid prediction file. Exp"),
        ("/etc/x.png 26 0.5", ValueError, "relative path, not /etc/x.png"),
        ("../../a.png 26 0.5", ValueError, r"mask ../../a.png points outside"),
        ("a.png 26 0.5", FileNotFoundError, "line 2: there is no mask a.png"),
        ("MASK car 0.5", ValueError, "line 2: bad label or score.*'car'"),
        ("MASK inf 0.5", ValueError, "line 2: bad label or score"),
        ("MASK 26 high", ValueError, "line 2: bad label or score.*'high'"),
        ("MASK 26 nan", ValueError, "mask 1 has the score NaN"),
        ("MASK 34 0.5", KeyError, "ulm.*pred.txt: .*unknown label id 34"),
    ],
)
def test_bad_lines_are_named(truth, lists, line, error, words):
    path = lists / f"{IDS[2]}_pred.txt"
    first = path.read_text().splitlines()[0]
    line = line.replace("MASK", f"../masks/{IDS[2]}_1.png")
    path.write_text(f"{first}\n{line}\n{first}\n")
    with pytest.raises(error, match=words):
        evaluate_cityscapes_instances(truth, lists.parent)


def test_the_last_line_of_a_mask_counts(truth, lists, caplog):
    expected = evaluate_cityscapes_instances(truth, lists.parent).result()
    path = lists / f"{IDS[0]}_pred.txt"
    lines = path.read_text().splitlines(keepends=True)
    wrong = lines[0].split(" ")[0] + " 24 0.125\n"
    path.write_text("".join([wrong, *lines]))
    with caplog.at_level(logging.WARNING):
        found = evaluate_cityscapes_instances(truth, lists.parent).result()
    assert repr(found) == repr(expected)
    assert f"{IDS[0]}_pred.txt, line 2: {IDS[0]}_0.png comes" in caplog.text


def test_no_lines_are_no_predictions(truth, lists):
    for path in lists.iterdir():
        path.write_text("")
    found = evaluate_cityscapes_instances(truth, lists.parent).result()
    assert found["averages"]["classes"]["car"]["ap"] == 0.0
    assert math.isnan(found["averages"]["classes"]["person"]["ap"])


def test_masks_are_what_is_not_black(truth, lists):
    """Palette and colour masks count, a very dark blue is black."""
    expected = evaluate_cityscapes_instances(truth, lists.parent).result()
    mask = lists.parent / "masks" / f"{IDS[0]}_0.png"
    palette = Image.fromarray((np.asarray(Image.open(mask)) > 0) * np.uint8(1))
    palette.putpalette([0, 0, 3, 200, 0, 0])
    for image in (palette, palette.convert("RGB")):
        image.save(mask)
        found = evaluate_cityscapes_instances(truth, lists.parent).result()
        assert repr(found) == repr(expected)


def _write_panoptic(folder, name, images, categories=None):
    (folder / name).mkdir()
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
    content = {"annotations": annotations, "categories": categories}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("use_train_ids", [False, True])
def test_instance_images_equal_their_panoptic_files(
    truth, tmp_path, use_train_ids
):
    maps = enumerate(IDS)
    truths, found = {}, {}
    for seed, key in maps:
        images = (
            cityscapes_tree.instance_map(seed),
            cityscapes_tree.predicted_map(seed),
        )
        truths[key], found[key] = (
            cityscapes_segments(image, use_train_ids) for image in images
        )
    categories = cityscapes_categories(use_train_ids)
    gt_json = _write_panoptic(tmp_path, "panoptic", truths, categories)
    pred_json = _write_panoptic(tmp_path, "found", found)
    official = evaluate_panoptic_files(gt_json, pred_json)
    ours = evaluate_cityscapes_panoptic(
        truth, pred_json, use_train_ids=use_train_ids
    )
    for one, other in zip(ours, official, strict=True):
        assert repr(one.result()) == repr(other.result())
    assert 0.3 < ours[0].result()["All"]["pq"] < 1


def test_segments_of_an_instance_image():
    ids, segments = cityscapes_segments(
        np.array([[26, 26, 7], [26001, 29001, 7], [26001, 4, 7]], np.uint16)
    )
    assert ids.tolist() == [[26, 26, 7], [26001, 0, 7], [26001, 0, 7]]
    assert segments == [
        {"id": 7, "category_id": 7, "area": 3}
        | {"bbox": [2, 0, 1, 3], "iscrowd": 0},
        {"id": 26, "category_id": 26, "area": 2}
        | {"bbox": [0, 0, 2, 1], "iscrowd": 1},
        {"id": 26001, "category_id": 26, "area": 2}
        | {"bbox": [0, 1, 1, 2], "iscrowd": 0},
    ]


def test_bad_panoptic_input_is_named(truth, tmp_path):
    segments = cityscapes_segments(cityscapes_tree.instance_map(0))
    pred_json = _write_panoptic(tmp_path, "found", {IDS[0]: segments})
    with pytest.raises(Exception, match=f"no prediction .*: {IDS[1]}"):
        evaluate_cityscapes_panoptic(truth, pred_json)
    path = truth / "aachen" / f"{IDS[0]}_gtFine_instanceIds.png"
    Image.fromarray(np.full((24, 40), 35001, np.uint16)).save(path)
    for other in truth.rglob("*_instanceIds.png"):
        if other != path:
            other.unlink()
    with pytest.raises(KeyError, match=f"{IDS[0]}.*: .*unknown label id 35"):
        evaluate_cityscapes_panoptic(truth, pred_json)


@pytest.mark.golden
@pytest.mark.parametrize("name", cityscapes_cases.names("panoptic"))
def test_panoptic_equals_the_official_tools(name, tmp_path):
    case, maps = cityscapes_cases.load(name)
    folder = tmp_path / "val"
    folder.mkdir()
    found, segments = {}, {}
    for image in case["images"]:
        key, ids = image["image_id"], maps[image["gt_instances"]]
        Image.fromarray(ids).save(folder / f"{key}_gtFine_instanceIds.png")
        found[key] = maps[image["pred"]], image["pred_segments"]
        segments[key] = cityscapes_segments(ids, case["use_train_id"])
    for annotation in case["expected"]["convert"]["annotations"]:
        ids, ours = segments[annotation["image_id"]]
        official = annotation["segments_info"]
        assert sorted(ours, key=lambda one: one["id"]) == sorted(
            official, key=lambda one: one["id"]
        )
        assert set(np.unique(ids)) - {0} == {one["id"] for one in official}
    quality, _ = evaluate_cityscapes_panoptic(
        folder,
        _write_panoptic(tmp_path, "found", found),
        use_train_ids=case["use_train_id"],
    )
    expected = case["expected"]["evaluate"]["result"]
    cityscapes_cases.assert_official(quality.result(), expected)
