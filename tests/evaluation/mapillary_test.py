import math

import numpy as np
import pytest

from axial_deeplab.data.mapillary_labels import MAPILLARY_LABELS
from axial_deeplab.evaluation import (
    MapillaryInstancePrecision,
    MapillaryPixelScores,
    PredictedMask,
)
from tests.evaluation.instance_cases import (
    accumulated,
    random_images,
    reference_images,
)
from tests.reference import average_precision as reference
from tests.reference import label_scores

NAMES = [label.name for label in MAPILLARY_LABELS]
ROAD, PERSON, CYCLIST, CAR, VOID = 13, 19, 20, 55, 65


def _pixel_images(number):
    random = np.random.default_rng(4)
    values = [ROAD, 15, VOID, 64]
    things = [PERSON * 256, PERSON * 256 + 9, CYCLIST * 256 + 1, CAR * 256 + 3]
    values = [value * 256 for value in values] + things
    images = []
    for _ in range(number):
        truth = np.kron(random.choice(values, (4, 5)), np.ones((3, 2), int))
        noise = random.random(truth.shape) < 0.4
        labels = truth // 256
        other = random.choice(labels.ravel(), truth.shape)
        images.append((truth, np.where(noise, other, labels)))
    return images


def _accumulated(images):
    metric = MapillaryPixelScores()
    for image in images:
        metric.update(*image)
    return metric


def test_pixels_equal_loops():
    """Void leaves rows and columns, so its pixels are left out at once."""
    images = _pixel_images(6)
    result = _accumulated(images).result()
    pixels = [
        [
            (true // 256, true, found)
            for true, found in zip(*map(np.ravel, image), strict=True)
            if VOID not in (true // 256, found)
        ]
        for image in images
    ]
    every = [pixel for image in pixels for pixel in image]
    others = set(range(65))
    for label in (ROAD, PERSON, CYCLIST, CAR):
        iou = label_scores.iou(every, {label}, others)
        assert result["classes"]["iou"][NAMES[label]] == pytest.approx(iou)
        assert 0 < iou < 1
    riders, humans = {20, 21, 22}, {19, 20, 21, 22}
    for level, name, members in (
        ("groups", "human--rider", riders),
        ("top_groups", "human", humans),
        ("top_groups", "void", {63, 64}),
    ):
        iou = label_scores.iou(every, members, others)
        assert result[level]["iou"][name] == pytest.approx(iou)
    assert math.isnan(result["classes"]["iou"]["nature--sky"])
    seen = [x for x in result["classes"]["iou"].values() if not math.isnan(x)]
    assert len(seen) == 6
    assert result["classes"]["mean_iou"] == pytest.approx(np.mean(seen))


def test_weighted_pixels_of_objects():
    """Persons: 1 of 2 px and 4 of 4 px are found (one of them as void)."""
    truth = np.array([[1, 1, 2, 2, 2, 2, 0, 0]]) + PERSON * 256
    truth[0, 6:] = ROAD * 256
    found = np.array([[PERSON, ROAD] + [PERSON] * 3 + [VOID, PERSON, ROAD]])
    metric = MapillaryPixelScores()
    metric.update(truth, found)
    mean_px = MAPILLARY_LABELS[PERSON].mean_instance_px
    level = metric.result()["classes"]
    # Void pixels leave the IoU, but not the weighted sums (as officially).
    weighted = (1 / 2 + 3 / 4) * mean_px
    assert level["iou"]["human--person"] == 4 / (4 + 1 + 1)
    assert level["iiou"]["human--person"] == pytest.approx(
        weighted / (2 * mean_px + 1)
    )
    assert "construction--flat--road" not in level["iiou"]
    groups = metric.result()
    assert groups["top_groups"]["iiou"]["human"] == pytest.approx(
        weighted / (2 * mean_px + 1)
    )
    assert "object" not in groups["top_groups"]["iiou"]


def test_predicted_void_is_no_miss():
    truth = np.full((1, 4), ROAD * 256)
    metric = MapillaryPixelScores()
    metric.update(truth, np.array([[ROAD, ROAD, VOID, VOID]]))
    assert metric.result()["classes"]["mean_iou"] == 1.0


def test_pixels_merge_is_exact():
    images = _pixel_images(4)
    whole, merged = _accumulated(images), _accumulated(images[2:])
    merged.merge(_accumulated(images[:2]))
    assert repr(merged.result()) == repr(whole.result())


def test_bad_labels_are_named():
    metric, road = MapillaryPixelScores(), np.full((2, 2), ROAD)
    with pytest.raises(ValueError, match="street: the true label 66 is not in"):
        metric.update(np.full((2, 2), 66 * 256), road, "street")
    with pytest.raises(ValueError, match="street: the predicted label 66 "):
        metric.update(road * 256, np.full((2, 2), 66), "street")
    with pytest.raises(ValueError, match="multiple channels"):
        metric.update(road * 256, np.full((2, 2, 3), ROAD), "street")
    assert metric.confusion.sum() == 0


def _classes(images):
    metric = accumulated(MapillaryInstancePrecision(), images)
    return metric.result()["classes"]


def test_instances_equal_slow_loops():
    """The labels 26 and 24 of the cases have no instances here."""
    void = VOID * 256
    images = [
        (_relabelled(truth), [_relabelled_mask(one) for one in masks])
        for truth, masks in random_images(8, 256, void)
    ]
    classes, seen = _classes(images), set()
    for label in (PERSON, CAR):
        sets = reference_images(images, label, 256, void)
        slow = [
            reference.average_precision(sets, threshold, inclusive=True)
            for threshold in np.arange(0.5, 1, 0.05)
        ]
        ours = classes[NAMES[label]]
        assert ours["ap"] == pytest.approx(np.mean(slow), abs=1e-12)
        assert ours["ap50"] == pytest.approx(slow[0], abs=1e-12)
        seen |= set(ours.values())
    assert len(seen) == 4 and 0 < min(seen) < max(seen) < 1


def _relabelled(truth):
    label = truth // 256
    changed = np.where(label == 26, CAR, np.where(label == 24, PERSON, label))
    return changed * 256 + truth % 256


def _relabelled_mask(one):
    label = CAR if one.label_id == 26 else PERSON
    return PredictedMask(one.mask, label, one.score)


def _strip(*lengths):
    row = np.concatenate([[key] * columns for key, columns in lengths])
    return np.tile(row, (10, 1))


def _mask(truth, start, stop, score, label=CAR):
    mask = np.zeros(truth.shape, bool)
    mask[:, start:stop] = True
    return PredictedMask(mask, label, score)


def test_a_value_equal_to_the_threshold_passes():
    """IoU 0.5: found at 0.5 only. Half on void: excused at 0.5 only."""
    truth = _strip((CAR * 256 + 1, 20), (VOID * 256, 5), (ROAD * 256, 5))
    half = _mask(truth, 0, 10, 0.9)
    assert _classes([(truth, [half])])[NAMES[CAR]] == {"ap": 0.1, "ap50": 1.0}
    masks = [_mask(truth, 0, 20, 0.5), _mask(truth, 20, 30, 0.9)]
    found = _classes([(truth, masks)])[NAMES[CAR]]
    assert found["ap50"] == 1.0
    assert found["ap"] == pytest.approx((1 + 9 * 0.25) / 10)


def test_a_class_that_is_only_predicted_counts_as_zero():
    truth = _strip((CAR * 256, 10), (VOID * 256, 10))
    masks = [_mask(truth, 0, 10, 0.5), _mask(truth, 10, 20, 0.5, PERSON)]
    metric = accumulated(MapillaryInstancePrecision(), [(truth, masks)])
    result = metric.result()
    assert result["classes"][NAMES[CAR]]["ap"] == 1.0
    assert result["classes"][NAMES[PERSON]]["ap"] == 0.0
    assert math.isnan(result["classes"][NAMES[CYCLIST]]["ap"])
    assert result["ap"] == result["ap50"] == 0.5


def test_instances_merge_and_name_bad_labels():
    truth = _strip((CAR * 256, 10))
    images = [(truth, [_mask(truth, 0, 10, 0.5), _mask(truth, 0, 10, 0.6)])] * 2
    whole = accumulated(MapillaryInstancePrecision(), images)
    merged = accumulated(MapillaryInstancePrecision(), images[1:])
    merged.merge(accumulated(MapillaryInstancePrecision(), images[:1]))
    assert repr(merged.result()) == repr(whole.result())
    wrong = _mask(truth, 0, 10, 0.5, 66)
    with pytest.raises(ValueError, match="image street: a mask's label 66"):
        merged.update(truth, [wrong], "street")
    with pytest.raises(ValueError, match="image street: the true label 70"):
        merged.update(_strip((70 * 256, 3)), [], "street")
