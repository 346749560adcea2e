import math

import numpy as np
import pytest
from PIL import Image

from axial_deeplab.evaluation import (
    MapillaryInstancePrecision,
    MapillaryPixelScores,
    MeanIoU,
    PredictedMask,
    evaluate_labels,
    evaluate_mapillary_instances,
    evaluate_mapillary_pixels,
)

ROAD, CAR, VOID = 13, 55, 65
NAMES = ("night/1.png", "a.png", "b.png")


def _save(path, values, dtype=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values).astype(dtype)).save(path)


def _labels(seed):
    """Truth from 0, where 0 is no class, and a prediction from 0."""
    random = np.random.default_rng(seed)
    truth = np.kron(random.integers(0, 4, (3, 4)), np.ones((3, 3), int))
    return truth, np.maximum(np.roll(truth, 1, axis=1) - 1, 0)


@pytest.fixture
def folders(tmp_path):
    for seed, name in enumerate(NAMES):
        truth, predicted = _labels(seed)
        _save(tmp_path / "truth" / name, truth)
        _save(tmp_path / "found" / name, predicted)
    return tmp_path / "truth", tmp_path / "found"


def _in_memory():
    metric = MeanIoU(3, 255)
    for seed in range(len(NAMES)):
        truth, predicted = _labels(seed)
        metric.update(np.where(truth == 0, 255, truth - 1), predicted)
    return metric


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_labels_in_files_equal_labels_in_memory(folders, workers):
    metric = MeanIoU(3, 255)
    evaluate_labels(*folders, metric, reduce_zero_label=True, workers=workers)
    assert np.array_equal(metric.confusion, _in_memory().confusion)
    assert 0.2 < metric.result()["mean_iou"] < 1


def test_an_ignore_label_does_the_same(folders):
    for path in folders[1].rglob("*.png"):
        _save(path, np.asarray(Image.open(path)) + 1)
    metric = MeanIoU(4, 0)
    evaluate_labels(*folders, metric)
    expected = _in_memory().confusion[:, :3]
    assert np.array_equal(metric.confusion[1:, 1:4], expected)


def test_bad_label_files_are_named(folders, tmp_path):
    truth, found = folders
    metric = MeanIoU(3, 255)
    with pytest.raises(FileNotFoundError, match="no PNG below .*none"):
        evaluate_labels(tmp_path / "none", found, metric)
    with pytest.raises(ValueError, match="image a.png: The true label 3"):
        evaluate_labels(truth, found, metric)
    _save(found / "b.png", np.zeros((9, 11)))
    with pytest.raises(ValueError, match="image b.png: Image widths"):
        evaluate_labels(truth, found, metric, reduce_zero_label=True)
    _save(found / "b.png", np.zeros((9, 12, 3)))
    with pytest.raises(ValueError, match="b.png .*mode RGB"):
        evaluate_labels(truth, found, metric, reduce_zero_label=True)
    (found / "b.png").unlink()
    with pytest.raises(FileNotFoundError, match="no file 'b.png' in .*found"):
        evaluate_labels(truth, found, metric)
    (found / "b.png").symlink_to(truth / "b.png")
    with pytest.raises(ValueError, match="'b.png' leads out"):
        evaluate_labels(truth, found, metric)


def _instances(seed):
    ids = np.full((10, 60), ROAD * 256 + 0)
    ids[:, 5:25] = CAR * 256 + 1
    ids[:, 25:40] = CAR * 256
    ids[:, 50:] = VOID * 256
    return np.roll(ids, 3 * seed, axis=1)


def _masks(seed):
    ids = np.roll(_instances(seed), 1, axis=1)
    return [
        (ids == CAR * 256, CAR, 0.5),
        (ids == CAR * 256 + 1, CAR, 0.25 + seed / 8),
        (ids == ROAD * 256, CAR, 0.4),
    ]


@pytest.fixture
def mapillary(tmp_path):
    """Truth, labels and mask lists, with labels as numbers or names."""
    for seed, name in enumerate(NAMES):
        ids = _instances(seed)
        _save(tmp_path / "instances" / name, ids, np.uint16)
        _save(tmp_path / "labels" / name, np.roll(ids, 1, axis=1) // 256)
        path = tmp_path / "lists" / name.replace(".png", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ["# the cars of the image"]
        for number, (mask, label, score) in enumerate(_masks(seed)):
            _save(path.with_name(f"{path.stem}_{number}.png"), mask)
            text = label if number else "object--vehicle--car"
            lines.append(f"  {path.stem}_{number}.png {text} {score} ")
        path.write_text("\n".join(lines))
    return tmp_path


def test_mapillary_files_equal_maps_in_memory(mapillary):
    truth = mapillary / "instances"
    pixels = evaluate_mapillary_pixels(truth, mapillary / "labels", 2)
    objects = evaluate_mapillary_instances(truth, mapillary / "lists", 2)
    in_memory = MapillaryPixelScores(), MapillaryInstancePrecision()
    for seed in range(len(NAMES)):
        ids = _instances(seed)
        in_memory[0].update(ids, np.roll(ids, 1, axis=1) // 256)
        in_memory[1].update(ids, [PredictedMask(*one) for one in _masks(seed)])
    assert repr(pixels.result()) == repr(in_memory[0].result())
    assert repr(objects.result()) == repr(in_memory[1].result())
    assert 0.5 < pixels.result()["classes"]["mean_iou"] < 1
    assert 0.2 < objects.result()["ap"] < objects.result()["ap50"] < 1


def test_bad_mapillary_files_are_named(mapillary):
    truth = mapillary / "instances"
    path = mapillary / "lists" / "a.txt"
    for line, words in (
        ("a_0.png bike 0.5", "a.txt, line 1: .*label 'bike' is unknown"),
        ("a_0.png 66 0.5", "a.txt: a mask's label 66 is not in 0..65"),
        ("\n", "a.txt, line 1: Invalid prediction file"),
        ("../../x.png 55 0.5", "line 1: .*points outside"),
    ):
        path.write_text(line)
        with pytest.raises(ValueError, match=words):
            evaluate_mapillary_instances(truth, mapillary / "lists")
    path.write_text("a_0.png void--car-mount 0.5")
    found = evaluate_mapillary_instances(truth, mapillary / "lists").result()
    assert math.isnan(found["classes"]["animal--bird"]["ap"])
    _save(truth / "a.png", _labels(0)[0])
    with pytest.raises(ValueError, match="a.png is an 8-bit PNG"):
        evaluate_mapillary_pixels(truth, mapillary / "labels")
