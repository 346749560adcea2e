import contextlib
import io
import math

import numpy as np
import pytest
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from axial_deeplab.evaluation import CocoInstancePrecision
from axial_deeplab.evaluation.coco_masks import encoded_mask
from axial_deeplab.evaluation.instance_ap import COCO_SCORES

CATEGORIES = [
    {"id": 17, "name": "cat", "isthing": 1},
    {"id": 3, "name": "car", "isthing": 1},
    {"id": 90, "name": "rug", "isthing": 0},
]


def _segment(key, category, **fields):
    return {"id": key, "category_id": category, "iscrowd": 0} | fields


def _row(*lengths):
    """A map of 8 rows; (segment id, columns) from the left."""
    row = np.concatenate([[key] * columns for key, columns in lengths])
    return np.tile(row, (8, 1))


def _ap(*image, categories=CATEGORIES):
    metric = CocoInstancePrecision(categories)
    metric.update(*image, image_id=1)
    return metric.result()


def _random_images(number):
    random = np.random.default_rng(5)
    return [_random_image(random) for _ in range(number)]


def _random_image(random):
    truth = np.kron(random.integers(0, 8, (4, 5)), np.ones((25, 30), int))
    predicted = np.roll(truth, random.integers(0, 9, 2), (0, 1)) * 70000
    categories = [3, 17, 17, 3, 90, 17, 3]
    truths = [
        _segment(key, categories[key - 1], iscrowd=int(key == 6))
        for key in np.unique(truth).tolist()
        if key
    ]
    predictions = [
        _segment(
            key,
            categories[(key // 70000 - 1 + (random.random() < 0.2)) % 7],
            score=round(float(random.random()), 1),
        )
        for key in np.unique(predicted).tolist()
        if key
    ]
    return truth, truths, predicted, predictions


def _official(images):
    """The documented way: JSON-like annotations, `loadRes`, `COCOeval`."""
    annotations, results = [], []
    for image_id, image in enumerate(images, start=40):
        truth, truths, predicted, predictions = image
        for ids, segments, rows in (
            (truth, truths, annotations),
            (predicted, predictions, results),
        ):
            for one in segments:
                mask = np.asfortranarray(ids == one["id"], np.uint8)
                row = one | {"image_id": image_id}
                row["segmentation"] = mask_utils.encode(mask)
                row["area"] = int(mask.sum())
                row["id"] = len(annotations) + 1
                if one["category_id"] != 90:
                    rows.append(row)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [
                {"id": image_id, "height": ids.shape[0], "width": ids.shape[1]}
                for image_id, (ids, *_) in enumerate(images, start=40)
            ],
            "annotations": annotations,
            "categories": [one for one in CATEGORIES if one["isthing"]],
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def test_equals_pycocotools_used_as_documented():
    images = _random_images(6)
    metric = CocoInstancePrecision(CATEGORIES)
    for image_id, image in enumerate(images):
        metric.update(*image, image_id)
    result, official = metric.result(), _official(images)
    scores = [-1 if math.isnan(x) else x for x in map(result.get, COCO_SCORES)]
    assert scores == official.stats.tolist()
    assert 0.1 < scores[0] < scores[1] < 1
    precision = official.eval["precision"][:, :, :, 0, 2].mean((0, 1))
    classes = official.params.catIds
    assert [result["per_class"][key] for key in classes] == pytest.approx(
        precision.tolist()
    )
    assert len(set(precision.round(6))) == 2


def test_iou_of_exactly_one_half_is_found():
    """Two of three columns, half of the union: found at 0.5 only."""
    truth, predicted = _row((1, 3), (0, 1)), _row((0, 1), (5, 3))
    image = (
        truth,
        [_segment(1, 17)],
        predicted,
        [_segment(5, 17, score=0.3)],
    )
    result = _ap(*image)
    assert result["ap50"] == pytest.approx(1)
    assert result["ap"] == pytest.approx(0.1)
    assert math.isnan(result["per_class"][3])
    assert result["per_class"][17] == pytest.approx(0.1)


def test_first_annotation_is_matched():
    """An annotation id of 0 would count as no match."""
    ids = _row((1, 3), (2, 2), (0, 1))
    truths = [_segment(1, 17), _segment(2, 3)]
    found = [_segment(1, 17, score=0.5), _segment(2, 3, score=0.4)]
    assert _ap(ids, truths, ids, found)["ap"] == pytest.approx(1)


def test_crowds_excuse_and_stuff_has_no_instances():
    """A false cat at 0.9, on a crowd of cats or on nothing."""
    truth = _row((1, 3), (2, 3), (3, 3))
    truths = [_segment(1, 17), _segment(2, 17, iscrowd=1), _segment(3, 90)]
    found = [_segment(1, 17, score=0.5), _segment(2, 17, score=0.9)]
    predicted = _row((1, 3), (2, 3), (0, 3))
    assert _ap(truth, truths, predicted, found)["ap"] == pytest.approx(1)
    truths[1]["iscrowd"] = 0
    truths[1]["category_id"] = 90
    assert _ap(truth, truths, predicted, found)["ap"] == pytest.approx(0.5)
    # A rug needs no score.
    ids, rug = _row((9, 9)), [_segment(9, 90)]
    assert math.isnan(_ap(ids, rug, ids, rug)["ap"])


def test_areas_are_those_of_the_masks():
    truth = np.zeros((40, 40), int)
    truth[:28, :28] = 1
    truths = [_segment(1, 17, area=5, bbox=[0, 0, 99, 99])]
    found = [_segment(1, 17, score=0.5, bbox=[0, 0, 99, 99])]
    result = _ap(truth, truths, truth, found)
    assert result["ap_small"] == pytest.approx(1)
    assert math.isnan(result["ap_medium"])


def test_nothing_found_is_zero_and_nothing_true_is_nan():
    ids = _row((1, 3))
    assert _ap(ids, [_segment(1, 17)], _row((0, 3)), [])["ap"] == 0.0
    result = _ap(_row((0, 3)), [], ids, [_segment(1, 17, score=1.0)])
    assert all(math.isnan(result[name]) for name in COCO_SCORES)
    nothing = CocoInstancePrecision(CATEGORIES).result()
    assert all(math.isnan(nothing[name]) for name in COCO_SCORES)


def test_merge_is_exact_in_any_order():
    """Scores have one digit: ties cross the images."""
    images = _random_images(6)
    whole, first, second = (CocoInstancePrecision(CATEGORIES) for _ in range(3))
    for image_id, image in enumerate(images):
        whole.update(*image, image_id)
        (second if image_id < 3 else first).update(*image, image_id)
    first.merge(second)
    assert repr(first.result()) == repr(whole.result())
    with pytest.raises(ValueError, match="Both metrics have the image 0"):
        first.merge(second)
    with pytest.raises(ValueError, match="equal categories"):
        first.merge(CocoInstancePrecision(CATEGORIES[:1]))


def test_detections_equal_segments():
    metric = CocoInstancePrecision(CATEGORIES)
    segments = CocoInstancePrecision(CATEGORIES)
    for image_id, image in enumerate(_random_images(3)):
        truth, truths, predicted, predictions = image
        detections = [
            {
                "category_id": one["category_id"],
                "segmentation": encoded_mask(predicted == one["id"]),
                "score": one["score"],
            }
            for one in predictions
        ]
        metric.update_detections(truth, truths, detections, image_id)
        segments.update(*image, image_id)
    assert repr(metric.result()) == repr(segments.result())


def test_uncompressed_run_lengths_are_taken():
    metric = CocoInstancePrecision(CATEGORIES)
    found = {"size": [8, 4], "counts": [0, 24, 8]}
    detection = {"category_id": 17, "segmentation": found, "score": 1}
    truth = _row((1, 3), (0, 1))
    metric.update_detections(truth, [_segment(1, 17)], [detection], 1)
    assert metric.result()["ap"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: s.pop("score"), KeyError, "ID street .* ID 1 .*'score'"),
        (lambda s: s.update(score=math.nan), ValueError, "ID 1 has the score"),
        (lambda s: s.update(score="0.5"), ValueError, "has the score '0.5'"),
        (lambda s: s.update(category_id=5), KeyError, "unknown category_id 5"),
        (lambda s: s.update(id=2), KeyError, "ID 1 is presented in PNG"),
    ],
)
def test_bad_predictions_are_named(change, error, words):
    ids, segment = _row((1, 3)), _segment(1, 17, score=0.5)
    change(segment)
    with pytest.raises(error, match=words):
        CocoInstancePrecision(CATEGORIES).update(
            ids, [_segment(1, 17)], ids, [segment], "street"
        )


def test_bad_images_are_named():
    metric, ids = CocoInstancePrecision(CATEGORIES), _row((0, 3))
    metric.update(ids, [], ids, [], "street")
    with pytest.raises(ValueError, match="ID street .*before"):
        metric.update(ids, [], ids, [], "street")
    with pytest.raises(ValueError, match=r"size: \[8, 3\] and \[8, 1\]"):
        metric.update(ids, [], ids[:, :1], [], "road")


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ([[0, 0, 1, 1]], "no run lengths"),
        ({"size": [8, 3]}, "no run lengths"),
        ({"size": [8, 3], "counts": 5}, "no run lengths"),
        ({"size": [3, 8], "counts": "04"}, r"differ in size.*\[3, 8\]"),
        ({"size": [8, 3], "counts": [0, 99]}, "more pixels than fit"),
    ],
)
def test_bad_masks_are_named(mask, words):
    detection = {"category_id": 17, "segmentation": mask, "score": 1}
    with pytest.raises(ValueError, match=f"ID street .*{words}"):
        CocoInstancePrecision(CATEGORIES).update_detections(
            _row((0, 3)), [], [detection], "street"
        )
