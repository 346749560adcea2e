"""Written results, read back by the evaluators of their formats."""

import json

import numpy as np
import pytest
from PIL import Image

from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.evaluation import (
    CityscapesResultWriter,
    PanopticResultWriter,
    coco_detections,
    evaluate_cityscapes_instances,
    evaluate_cityscapes_panoptic,
    evaluate_cityscapes_pixels,
    evaluate_coco_instances,
    segment_scores,
    write_coco_detections,
)
from axial_deeplab.evaluation.png_files import write_label_png
from tests.evaluation import cityscapes_tree

CITYSCAPES = dataset_spec("cityscapes_panoptic")
COCO = dataset_spec("coco_panoptic")


def _panoptic(instances):
    """Panoptic ids of an instance image; groups are instance 0."""
    table = {
        one.original_id: one.id * CITYSCAPES.label_divisor
        for one in CITYSCAPES.classes
    }
    ids = [
        table.get(int(value) // 1000, 0) + int(value) % 1000 + 1
        if value >= 1000
        else table.get(int(value), CITYSCAPES.void_id)
        for value in instances.ravel()
    ]
    return np.array(ids, np.int32).reshape(instances.shape)


@pytest.fixture
def truth(tmp_path):
    return cityscapes_tree.write_truth(tmp_path / "truth")


def _write_cityscapes(folder):
    with CityscapesResultWriter(folder) as writer:
        for seed, image_id in enumerate(cityscapes_tree.IDS):
            panoptic = _panoptic(cityscapes_tree.instance_map(seed))
            scores = {key: 0.1 + 1 / 3 for key in np.unique(panoptic).tolist()}
            writer.add(image_id, panoptic, scores)
    return writer


def test_the_truth_as_cityscapes_result_is_perfect(truth, tmp_path):
    writer = _write_cityscapes(tmp_path / "results")
    pixels = evaluate_cityscapes_pixels(truth, writer.pixel_folder).result()
    assert pixels["averageScoreClasses"] == 1.0
    assert pixels["averageScoreInstClasses"] == 1.0
    objects = evaluate_cityscapes_instances(truth, writer.instance_folder)
    # The group of persons was written as a mask; there is no person to find.
    assert objects.result()["averages"]["allAp"] == 1.0
    quality, _ = evaluate_cityscapes_panoptic(truth, writer.json_file)
    assert quality.result()["All"]["pq"] == 1.0
    assert writer.json_file.name == "cityscapes_panoptic_val.json"


def test_instance_files_hold_masks_labels_and_scores(truth, tmp_path):
    writer = _write_cityscapes(tmp_path / "results")
    image_id = cityscapes_tree.IDS[0]
    text = (writer.instance_folder / f"{image_id}.txt").read_text()
    lines = [line.split(" ") for line in text.splitlines()]
    assert [line[1] for line in lines] == ["24", "26", "26"]
    assert {float(line[2]) for line in lines} == {0.1 + 1 / 3}
    mask = np.asarray(Image.open(writer.instance_folder / lines[1][0]))
    instances = cityscapes_tree.instance_map(0)
    assert np.array_equal(mask == 255, instances == 26001)
    labels = np.asarray(Image.open(writer.pixel_folder / f"{image_id}.png"))
    expected = cityscapes_tree.label_map(instances)
    assert np.array_equal(labels, np.where(expected == 4, 0, expected))


def test_an_unfinished_result_has_no_panoptic_json(tmp_path):
    with pytest.raises(KeyError, match="No score for the car 13002"):
        with CityscapesResultWriter(tmp_path) as writer:
            panoptic = _panoptic(cityscapes_tree.instance_map(0))
            writer.add("ulm_0_0", panoptic, {11000: 1.0})
    assert not writer.json_file.exists()


def test_labels_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"x.png: labels must lie in 0..255"):
        write_label_png(tmp_path / "x.png", np.array([[256]]))
    assert not list(tmp_path.iterdir())


def _coco_map(seed):
    random = np.random.default_rng(seed)
    values = [0, 257, 258, 1 * 256, 17 * 256 + 1, 100 * 256]
    return np.kron(random.choice(values, (3, 4)), np.ones((8, 8), np.int32))


def _write_coco(folder):
    """Truth, panoptic prediction and detections of three images."""
    detections = []
    with (
        PanopticResultWriter(folder, COCO, "truth") as truth,
        PanopticResultWriter(folder, COCO, "found") as found,
    ):
        for image_id in (7, 12, 30):
            panoptic = _coco_map(image_id)
            truth.add(image_id, panoptic)
            panoptic = np.roll(panoptic, 2, axis=1)
            heat = (panoptic % 7) / 7 + image_id / 100
            scores = segment_scores(panoptic, heat, COCO)
            found.add(image_id, panoptic, scores)
            detections += coco_detections(image_id, panoptic, COCO, scores)
    write_coco_detections(folder / "detections.json", detections)
    return truth.json_file, found.json_file, folder / "detections.json"


def test_detections_read_back_equal_the_panoptic_result(tmp_path):
    truth, found, detections = _write_coco(tmp_path)
    panoptic = evaluate_coco_instances(truth, found, workers=2).result()
    read_back = evaluate_coco_instances(truth, detections, workers=1).result()
    assert repr(panoptic) == repr(read_back)
    assert 0.2 < panoptic["ap"] < panoptic["ap50"] <= 1


def test_bad_detections_are_named(tmp_path):
    truth, _, detections = _write_coco(tmp_path)
    content = json.loads(detections.read_text())
    for change, error, words in (
        ({"image_id": 8}, AssertionError, "do not correspond.*image 8"),
        ({"score": None}, ValueError, "image with ID 7 .*score None"),
        ({"segmentation": []}, ValueError, "ID 7 .*no run lengths"),
    ):
        changed = [content[0] | change, *content[1:]]
        detections.write_text(json.dumps(changed))
        with pytest.raises(error, match=words):
            evaluate_coco_instances(truth, detections)
    detections.write_text("[1]")
    with pytest.raises(ValueError, match="no list of detections"):
        evaluate_coco_instances(truth, detections)
    with pytest.raises(FileNotFoundError, match="no annotation file"):
        evaluate_coco_instances(truth, tmp_path / "none.json")


def test_scores_are_means_over_things():
    panoptic = np.array([[257, 257, 100 * 256], [258, 257, 0]])
    heat = np.array([[0.5, 0.25, 1.0], [0.125, 0.75, 1.0]], np.float32)
    scores = segment_scores(panoptic, heat, COCO)
    assert scores == {257: 0.5, 258: 0.125}
