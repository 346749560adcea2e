import json
import math

import numpy as np
import pytest

from axial_deeplab.evaluation import MeanIoU, SegmentMeanIoU


def _iou_by_loop(truth, predicted, classes, ignore):
    ious = {}
    pairs = [
        (t, p)
        for t, p in zip(truth.ravel(), predicted.ravel(), strict=True)
        if t != ignore
    ]
    for one in range(classes):
        union = sum(one in pair for pair in pairs)
        both = sum(t == one and p == one for t, p in pairs)
        ious[one] = both / union if union else math.nan
    return ious


def _labels(seed, shape=(6, 7)):
    random = np.random.default_rng(seed)
    labels = random.choice([0, 1, 2, 4, 255], (2, *shape))
    return labels.astype(np.uint8)


def test_equals_a_loop_over_pixels():
    truth, predicted = _labels(0)
    metric = MeanIoU(5, 255)
    metric.update(truth, predicted)
    result = metric.result()
    expected = _iou_by_loop(truth, predicted, 5, 255)
    assert result["per_class"] == pytest.approx(expected, nan_ok=True)
    assert math.isnan(result["per_class"][3])
    mean = np.nanmean(list(expected.values()))
    assert result["mean_iou"] == pytest.approx(mean)


def test_state_survives_json():
    whole, first, second = (MeanIoU(5, 255) for _ in range(3))
    for metric, seed in ((first, 0), (second, 1)):
        metric.update(*_labels(seed))
        whole.update(*_labels(seed))
    first.add_state(json.loads(json.dumps(second.state())))
    np.testing.assert_array_equal(first.confusion, whole.confusion)


def test_drawn_case():
    """Class 0: 2 of 4; class 1: 2 of 4; void on truth 1 is a miss."""
    metric = MeanIoU(3, 9)
    metric.update([[0, 0, 0, 1, 1, 1, 9]], [[0, 0, 1, 1, 1, 9, 2]])
    assert metric.result()["per_class"][0] == pytest.approx(2 / 3)
    assert metric.result()["per_class"][1] == pytest.approx(2 / 4)
    assert math.isnan(metric.result()["per_class"][2])
    assert metric.result()["mean_iou"] == pytest.approx((2 / 3 + 2 / 4) / 2)
    assert metric.result()["pixel_accuracy"] == 4 / 6
    assert metric.result()["mean_accuracy"] == pytest.approx(2 / 3)
    assert metric.confusion.tolist() == [
        [2, 1, 0, 0],
        [0, 2, 0, 1],
        [0, 0, 0, 0],
    ]


def test_ignore_label_may_lie_among_the_classes():
    metric = MeanIoU(3, 0)
    metric.update([0, 0, 1, 1, 2], [0, 1, 1, 0, 2])
    assert math.isnan(metric.result()["per_class"][0])
    assert metric.result()["mean_iou"] == pytest.approx((1 / 2 + 1) / 2)


def test_merge_equals_one_metric():
    whole, first, second = (MeanIoU(5, 255) for _ in range(3))
    for seed in range(4):
        for metric in (whole, first if seed < 1 else second):
            metric.update(*_labels(seed))
    first.merge(second)
    assert np.array_equal(first.confusion, whole.confusion)
    assert whole.confusion.sum() > 0


def test_pixels_are_weights():
    weighted, repeated = MeanIoU(2), MeanIoU(2)
    weighted.update([0, 1], [0, 0], [3, 2])
    repeated.update([0, 0, 0, 1, 1], [0] * 5)
    assert np.array_equal(weighted.confusion, repeated.confusion)


def test_nothing_seen_is_nan():
    result = MeanIoU(3).result()
    for name in ("mean_iou", "mean_accuracy", "pixel_accuracy"):
        assert math.isnan(result[name])


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="num_classes.* got 0"):
        MeanIoU(0)
    metric = MeanIoU(3, 255)
    with pytest.raises(ValueError, match="true label 3 .*0..2.* label 255"):
        metric.update([3], [0])
    with pytest.raises(ValueError, match="predicted label -1"):
        metric.update([0], [-1])
    with pytest.raises(ValueError, match=r"\[1\].*\[2\]"):
        metric.update([0], [0, 0])
    with pytest.raises(ValueError, match="float64"):
        metric.update([0.0], [0])
    with pytest.raises(ValueError, match="equal classes"):
        metric.merge(MeanIoU(4, 255))
    assert metric.confusion.sum() == 0


def test_segments_equal_their_label_maps():
    """Crowd counts as its class; unlisted and unknown truth is left out."""
    random = np.random.default_rng(3)
    truth = random.integers(0, 6, (9, 8))
    predicted = random.integers(0, 4, (9, 8))
    categories = [{"id": 30}, {"id": 10}, {"id": 20}]
    truths = [
        {"id": 1, "category_id": 10, "iscrowd": 1},
        {"id": 2, "category_id": 10, "iscrowd": 0},
        {"id": 3, "category_id": 30, "iscrowd": 0},
        {"id": 4, "category_id": 99, "iscrowd": 0},
    ]
    predictions = [
        {"id": 1, "category_id": 10},
        {"id": 2, "category_id": 20},
        {"id": 3, "category_id": 30},
    ]
    metric = SegmentMeanIoU(categories)
    metric.update(truth, truths, predicted, predictions)
    truth_labels = np.array([9, 1, 1, 0, 9, 9])[truth]
    predicted_labels = np.array([9, 1, 2, 0])[predicted]
    expected = _iou_by_loop(truth_labels, predicted_labels, 3, 9)
    assert metric.result()["per_class"] == pytest.approx(
        {30: expected[0], 10: expected[1], 20: expected[2]}
    )
    assert expected[2] == 0 < expected[1]


def test_segments_merge():
    ids = np.array([[1, 1, 2]])
    segments = [{"id": 1, "category_id": 5}, {"id": 2, "category_id": 6}]
    whole, part = (SegmentMeanIoU([{"id": 5}, {"id": 6}]) for _ in range(2))
    whole.update(ids, segments, ids, segments)
    part.update(ids, segments, ids[:, ::-1], segments)
    whole.merge(part)
    assert whole.result()["per_class"] == {5: 3 / 5, 6: 1 / 3}
    with pytest.raises(ValueError, match="equal categories"):
        whole.merge(SegmentMeanIoU([{"id": 6}, {"id": 5}]))
