import copy
import json
import math

import numpy as np
import pytest

from axial_deeplab.evaluation import CategoryCounts, PanopticQuality
from tests.evaluation import panoptic_cases
from tests.reference import panoptic_quality as reference

CATEGORIES = [
    {"id": 7, "name": "cat", "isthing": 1},
    {"id": 3, "name": "road", "isthing": 0},
    {"id": 0, "name": "dog", "isthing": 1},
]


def _segment(segment_id, category_id, area=0, iscrowd=0):
    return {
        "id": segment_id,
        "category_id": category_id,
        "area": area,
        "iscrowd": iscrowd,
    }


def _random_image(random):
    """Truth of blocks with void and crowds; the prediction is a noisy copy."""
    blocks = random.integers(0, 7, (3, 4))
    truth = np.kron(blocks, np.ones((4, 4), int))
    noise = random.random(truth.shape) < 0.2
    predicted = np.where(noise, np.roll(truth, 5), truth) * 1000
    category = [CATEGORIES[i % 3]["id"] for i in range(7)]
    truths = [
        _segment(i, category[i], int((truth == i).sum()), crowd)
        for i, crowd in zip(
            (random.permutation(6) + 1).tolist(),
            random.choice([0, 0, 1], 6).tolist(),
            strict=True,
        )
        if (truth == i).any()
    ]
    wrong = random.random(7) < 0.2  # predicted as the next category
    predictions = [
        _segment(i, category[(i // 1000 + wrong[i // 1000]) % 7])
        for i in np.unique(predicted).tolist()
        if i
    ]
    return truth, truths, predicted, predictions


def _images(number, seed=0):
    random = np.random.default_rng(seed)
    return [_random_image(random) for _ in range(number)]


def _accumulated(images):
    metric = PanopticQuality(CATEGORIES)
    for image in images:
        metric.update(*image)
    return metric


def test_counts_equal_slow_loops():
    metric, totals = PanopticQuality(CATEGORIES), {}
    for image in _images(60):
        metric.update(*image)
        for key, counts in reference.image_counts(*image).items():
            total = totals.setdefault(key, [[], 0, 0])
            for index in range(3):
                total[index] += counts[index]
    for key, (ious, fp, fn) in totals.items():
        ours = metric.counts()[key]
        assert (ours.tp, ours.fp, ours.fn) == (len(ious), fp, fn)
        assert ours.iou == pytest.approx(sum(ious), abs=1e-12)
    # The scenes must exercise every count, or the test shows nothing.
    assert all(ious and fp and fn for ious, fp, fn in totals.values())


def test_result_follows_the_formulas():
    metric = _accumulated(_images(20))
    result, qualities = metric.result(), {}
    for key, c in metric.counts().items():
        weight = c.tp + c.fp / 2 + c.fn / 2
        qualities[key] = {
            "pq": c.iou / weight,
            "sq": c.iou / c.tp,
            "rq": c.tp / weight,
        }
        assert result["per_class"][key] == pytest.approx(qualities[key])
    groups = {"All": [0, 3, 7], "Things": [0, 7], "Stuff": [3]}
    for group, keys in groups.items():
        assert result[group]["n"] == len(keys)
        for name in ("pq", "sq", "rq"):
            mean = np.mean([qualities[key][name] for key in keys])
            assert result[group][name] == pytest.approx(mean)


def test_merge_is_exact_in_any_order():
    images = _images(9)
    whole = _accumulated(images)
    merged = _accumulated(images[6:])
    merged.merge(_accumulated(images[:2]))
    merged.merge(_accumulated(images[2:6]))
    assert merged.counts() == whole.counts()
    assert merged.result() == whole.result()


def test_state_survives_json():
    whole, rest = _accumulated(_images(5)), _accumulated(_images(5)[2:])
    part = _accumulated(_images(5)[:2])
    rest.add_state(json.loads(json.dumps(part.state())))
    assert rest.counts() == whole.counts()
    assert part.counts() == _accumulated(_images(5)[:2]).counts()


def test_merge_leaves_the_other_alone():
    mine, other = _accumulated(_images(2)), _accumulated(_images(2, seed=1))
    before = other.counts()
    mine.merge(other)
    mine.update(*_images(1)[0])
    assert other.counts() == before


def test_merge_refuses_other_categories():
    with pytest.raises(ValueError, match="equal categories"):
        PanopticQuality(CATEGORIES).merge(PanopticQuality(CATEGORIES[:2]))


def test_void_excuses_and_leaves_the_union_whatever_the_id_size():
    """The union of id 2**31 is 4 of 10 pixels; id 2**32 - 1 lies in void."""
    truth = np.zeros((2, 10), np.uint32)
    truth[0, :4] = 2**32 - 1
    predicted = np.full((2, 10), 2**31, np.uint32)
    predicted[1] = 2**32 - 1
    metric = PanopticQuality(CATEGORIES)
    metric.update(
        truth,
        [_segment(2**32 - 1, 7, area=4)],
        predicted,
        [_segment(2**31, 7), _segment(2**32 - 1, 3)],
    )
    counts = metric.counts()
    assert list(counts) == [7]
    assert (counts[7].iou, counts[7].tp) == (1.0, 1)
    assert (counts[7].fp, counts[7].fn) == (0, 0)


def test_what_excuses_a_false_positive():
    """One cat a row, 10 px each; 1 is road, 2 and 3 are crowds of cats."""
    truth = np.array(
        [
            [0] * 5 + [1] * 5,  # exactly half in void: counts
            [0] * 6 + [1] * 4,  # more than half in void: excused
            [0] * 3 + [3] * 3 + [1] * 4,  # void and crowd add up: excused
            [2] * 10,  # on a crowd that is not the last of its category
            [3] * 10,  # a dog on the crowd of cats
            [3] * 10,  # a cat there: excused
        ]
    )
    truths = [
        _segment(1, 3, area=13),
        _segment(2, 7, iscrowd=1),
        _segment(3, 7, iscrowd=1),
    ]
    predicted = np.tile(np.arange(10, 16)[:, None], (1, 10))
    predictions = [_segment(10 + row, 0 if row == 4 else 7) for row in range(6)]
    metric = PanopticQuality(CATEGORIES)
    metric.update(truth, truths, predicted, predictions)
    assert metric.counts() == {
        7: CategoryCounts(iou=0.0, tp=0, fp=2, fn=0),
        0: CategoryCounts(iou=0.0, tp=0, fp=1, fn=0),
        3: CategoryCounts(iou=0.0, tp=0, fp=0, fn=1),
    }


def test_empty_groups_are_nan_and_count_nothing():
    result = PanopticQuality(CATEGORIES[:1]).result()
    for group in ("All", "Things", "Stuff"):
        assert result[group]["n"] == 0
        assert all(math.isnan(result[group][q]) for q in ("pq", "sq", "rq"))
    assert result["per_class"] == {7: {"pq": 0.0, "sq": 0.0, "rq": 0.0}}


def test_a_refused_image_leaves_no_trace():
    metric = _accumulated(_images(2))
    before = metric.result()
    truth, truths, predicted, predictions = copy.deepcopy(_images(1)[0])
    del truths[-1]["iscrowd"]
    with pytest.raises(KeyError, match="image with ID street.*'iscrowd'"):
        metric.update(truth, truths, predicted, predictions, "street")
    assert metric.result() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop(), "ID street segment with ID 2 is presented in PNG"),
        (lambda s: s.append(_segment(9, 7)), r"\[9\] are presented in JSON"),
        (lambda s: s[0].update(category_id=5), "unknown category_id 5"),
        (lambda s: s[0].pop("category_id"), "no field 'category_id'"),
        (lambda s: s[0].pop("id"), "no field 'id'"),
    ],
)
def test_bad_predictions_are_named(change, words):
    ids = np.array([[1, 1, 2]])
    truths = [_segment(1, 7, area=2), _segment(2, 3, area=1)]
    predictions = [_segment(1, 7), _segment(2, 3)]
    change(predictions)
    with pytest.raises(KeyError, match=words):
        PanopticQuality(CATEGORIES).update(
            ids, truths, ids, predictions, "street"
        )


@pytest.mark.parametrize("name", ["id", "isthing"])
def test_an_incomplete_category_is_named(name):
    category = {"id": 4, "isthing": 1, "name": "cow"}
    del category[name]
    with pytest.raises(ValueError, match=f"No `{name}` in the category.*cow"):
        PanopticQuality([category])


@pytest.mark.golden
@pytest.mark.parametrize("name", panoptic_cases.names(with_missing=False))
def test_counts_equal_the_official_tool(name):
    case, maps = panoptic_cases.load(name)
    metric = PanopticQuality(case["categories"])

    def update_all():
        for image in case["images"]:
            metric.update(
                maps[image["gt_key"]],
                image["gt_segments"],
                maps[image["pred_key"]],
                image["pred_segments"],
                image["image_id"],
            )

    expected = case["expected"]
    if "counts_error" in expected:
        with pytest.raises((KeyError, ValueError)) as caught:
            update_all()
        error = expected["counts_error"]
        assert type(caught.value).__name__ == error["type"]
        assert error["message"] in caught.value.args[0]
        return
    update_all()
    counts = {str(key): entry for key, entry in metric.counts().items()}
    assert counts.keys() == expected["counts"].keys()
    for key, official in expected["counts"].items():
        ours = counts[key]
        assert (ours.tp, ours.fp, ours.fn) == tuple(
            official[k] for k in ("tp", "fp", "fn")
        )
        official_iou = panoptic_cases.number(official["iou"])
        assert ours.iou == pytest.approx(official_iou, abs=1e-9)
