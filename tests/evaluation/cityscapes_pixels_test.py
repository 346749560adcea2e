import math

import numpy as np
import pytest

from axial_deeplab.data.cityscapes_labels import LABEL_BY_ID
from axial_deeplab.evaluation import CityscapesPixelScores
from tests.evaluation import cityscapes_cases
from tests.reference import label_scores

ROAD, SIDEWALK, PERSON, RIDER, CAR, BUS, CARAVAN = 7, 8, 24, 25, 26, 28, 29
EVALUATED = {i for i, label in LABEL_BY_ID.items() if label.is_evaluated}
MEAN_PX = {i: label.mean_instance_px for i, label in LABEL_BY_ID.items()}


def _random_image(random):
    """Blocks of stuff, objects, groups and void; a noisy prediction."""
    values = np.array(
        [
            0,
            4,
            7,
            8,
            9,
            23,
            24,
            26,
            29,
            24001,
            25001,
            26001,
            26002,
            28001,
            30001,
        ]
    )
    instances = np.kron(random.choice(values, (4, 5)), np.ones((3, 2), int))
    labels = np.where(instances >= 1000, instances // 1000, instances)
    noise = random.random(labels.shape) < 0.4
    predicted = np.where(noise, random.choice(labels.ravel(), (12, 10)), labels)
    return labels, instances, predicted


def _images(number):
    random = np.random.default_rng(2)
    return [_random_image(random) for _ in range(number)]


def _accumulated(images):
    metric = CityscapesPixelScores()
    for image in images:
        metric.update(*image)
    return metric


def _object_label(instance_id):
    label = instance_id // 1000
    return label if instance_id > 1000 and label in EVALUATED else None


def _expected(value):
    return math.nan if value is None else pytest.approx(value, nan_ok=True)


def test_equals_loops_over_pixels():
    images = _images(6)
    result = _accumulated(images).result()
    pixels = [list(zip(*map(np.ravel, image), strict=True)) for image in images]
    every = [pixel for image in pixels for pixel in image]
    for label in (ROAD, SIDEWALK, 23, PERSON, CAR, BUS):
        iou = label_scores.iou(every, {label}, EVALUATED)
        name = LABEL_BY_ID[label].name
        assert result["classScores"][name] == pytest.approx(iou)
        assert 0 < iou < 1
    vehicles = {26, 27, 28, 31, 32, 33}
    for category, members in (("flat", {7, 8}), ("vehicle", vehicles)):
        iou = label_scores.iou(every, members, EVALUATED)
        assert result["categoryScores"][category] == pytest.approx(iou)
    for scores, name, members in (
        ("classInstScores", "person", {PERSON}),
        ("classInstScores", "car", {CAR}),
        ("categoryInstScores", "human", {PERSON, RIDER}),
        ("categoryInstScores", "vehicle", vehicles | {29, 30}),
    ):
        iiou = label_scores.weighted_iou(
            pixels, members, EVALUATED, _object_label, MEAN_PX
        )
        assert result[scores][name] == pytest.approx(iiou)
        assert 0 < iiou < 1


def test_drawn_case():
    """6 road px: 3 found, 1 sidewalk, 1 caravan; parking counts nowhere."""
    truth = np.array([[7, 7, 7, 7, 7, 8, 8, 9, 9]])
    predicted = np.array([[7, 7, 7, 8, 29, 8, 7, 7, 8]])
    metric = CityscapesPixelScores()
    metric.update(truth, truth, predicted)
    result = metric.result()
    assert result["classScores"]["road"] == 3 / (3 + 2 + 1)
    assert result["classScores"]["sidewalk"] == 1 / (1 + 1 + 1)
    assert result["categoryScores"]["flat"] == 6 / 7
    assert result["averageScoreClasses"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert result["priors"]["road"] == 5 / 9
    assert result["labels"]["road"] == 7
    assert math.isnan(result["classScores"]["caravan"])
    assert math.isnan(result["averageScoreInstClasses"])


def test_objects_weigh_the_same_whatever_their_size():
    """Half of a car of 2 px and all of one of 8 px are found; 1 px is false."""
    instances = np.array([[26001] * 2 + [26002] * 8 + [26] * 4 + [7]])
    labels = np.where(instances > 999, instances // 1000, instances)
    predicted = np.array([[26, 7] + [26] * 8 + [7] * 4 + [26]])
    metric = CityscapesPixelScores()
    metric.update(labels, instances, predicted)
    mean_px = MEAN_PX[CAR]
    iiou = 1.5 * mean_px / (2 * mean_px + 1)
    result = metric.result()
    assert result["classInstScores"]["car"] == pytest.approx(iiou)
    assert result["categoryInstScores"]["vehicle"] == pytest.approx(iiou)
    # The group of 4 px counts as any other pixels.
    assert result["classScores"]["car"] == 9 / (9 + 5 + 1)


def test_merge_is_exact_in_any_order():
    images = _images(5)
    whole = _accumulated(images)
    merged = _accumulated(images[3:])
    merged.merge(_accumulated(images[:3]))
    assert repr(merged.result()) == repr(whole.result())


def test_merge_leaves_the_other_alone():
    mine, other = _accumulated(_images(2)), _accumulated(_images(1))
    before = repr(other.result())
    mine.merge(other)
    mine.update(*_images(1)[0])
    assert repr(other.result()) == before


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({0: 60}, ValueError, "street: Unknown label with id 60"),
        ({2: 40}, IndexError, "street: .* 40 is out of bounds .* size 34"),
        ({1: 40001}, KeyError, "street: .*40001 .*unknown label id 40"),
        ({1: 7001}, KeyError, "street: .*7001 .*'road', which has no inst"),
        ({1: -1}, ValueError, "must lie in 0..65535; got -1"),
    ],
)
def test_bad_labels_are_named_and_leave_no_trace(changed, error, words):
    metric = _accumulated(_images(1))
    before = repr(metric.result())
    maps = [np.full((2, 3), 7) for _ in range(3)]
    for index, value in changed.items():
        maps[index][1, 1] = value
    with pytest.raises(error, match=words):
        metric.update(*maps, "street")
    assert repr(metric.result()) == before


def test_bad_shapes_are_named():
    metric, labels = CityscapesPixelScores(), np.full((2, 3), 7)
    with pytest.raises(ValueError, match="widths .*4.*3.* not equal"):
        metric.update(labels, labels, np.full((2, 4), 7))
    with pytest.raises(ValueError, match="heights .*not equal"):
        metric.update(labels, labels, np.full((3, 3), 7))
    with pytest.raises(ValueError, match="multiple channels"):
        metric.update(labels, labels, np.full((2, 3, 3), 7))
    with pytest.raises(ValueError, match=r"differ in size: \[2, 3\].*\[3, 3\]"):
        metric.update(labels, np.full((3, 3), 7), labels)


@pytest.mark.golden
@pytest.mark.parametrize("name", cityscapes_cases.names("pixel"))
def test_equals_the_official_tool(name):
    case, maps = cityscapes_cases.load(name)
    metric = CityscapesPixelScores()

    def update_all():
        for image in case["images"]:
            keys = ("gt_labels", "gt_instances", "pred")
            metric.update(*(maps[image[key]] for key in keys))

    expected = case["expected"]
    if expected["status"] == "error":
        with pytest.raises(Exception) as caught:  # noqa: B017
            update_all()
        cityscapes_cases.assert_official_error(caught.value, expected["error"])
        return
    update_all()
    cityscapes_cases.assert_official(metric.result(), expected["result"])
