import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.postprocess import PanopticRules, PanopticSettings, merging
from tests.reference import postprocess as reference

VOID = 255


def _settings(label_divisor=100, limit=0, **rules):
    return PanopticSettings(
        thing_ids=(2, 3, 4),
        ignore_label=VOID,
        label_divisor=label_divisor,
        stuff_area_limit_px=limit,
        rules=PanopticRules(**rules),
    )


def _merge(semantic, instance, settings):
    semantic, instance = np.int32(semantic), np.int32(instance)
    merged = merging.merge(
        semantic[None], instance[None], int(instance.max()), 5, settings
    )
    return merged[0].numpy().tolist()


def test_majority_wins_and_ties_go_to_the_smaller_class():
    semantic = [[3, 3, 2, 4, 3, 3, 4]]
    instance = [[1, 1, 1, 2, 2, 3, 3]]
    expected = [[301, 301, 301, 302, 302, 303, 303]]
    assert _merge(semantic, instance, _settings()) == expected


def test_numbers_follow_the_first_pixel_not_the_center():
    semantic = [[2, 2, 3, 2], [2, 2, 3, 3]]
    instance = [[4, 4, 1, 2], [4, 2, 1, 3]]
    expected = [[201, 201, 301, 202], [201, 202, 301, 302]]
    assert _merge(semantic, instance, _settings()) == expected


def test_stuff_pixels_do_not_vote():
    semantic = [[0, 0, 0, 2]]
    instance = [[1, 1, 1, 1]]
    assert _merge(semantic, instance, _settings()) == [[0, 0, 0, 201]]


@pytest.mark.parametrize(
    ("limit", "above", "kept"),
    [(3, False, True), (4, False, False), (3, True, False), (2, True, True)],
)
def test_stuff_limit(limit, above, kept):
    settings = _settings(limit=limit, stuff_above_limit=above)
    expected = 100 if kept else VOID * 100
    assert _merge([[1, 1, 1, 2]], [[0, 0, 0, 1]], settings) == [
        [expected] * 3 + [201]
    ]


@pytest.mark.parametrize("grouped", [False, True])
def test_things_without_instance(grouped):
    settings = _settings(group_loose_things=grouped)
    expected = 301 if grouped else VOID * 100
    assert _merge([[3, 0, 3, 2]], [[0, 0, 0, 0]], settings) == [
        [expected, 0, expected, expected]
    ]


def test_instances_beyond_the_divisor_become_void():
    semantic = [[2, 2, 2, 3, 2]]
    instance = [[1, 2, 3, 4, 5]]
    void = VOID * 4
    assert _merge(semantic, instance, _settings(label_divisor=4)) == [
        [9, 10, 11, 13, void]
    ]


@pytest.mark.parametrize("grouped", [False, True])
def test_random_maps_equal_loops(grouped):
    rng = np.random.default_rng(3)
    semantic = rng.integers(0, 5, (4, 12, 13))
    instance = rng.integers(0, 30, (4, 12, 13))
    semantic[3] = 1  # an image without things
    settings = _settings(20, 30, group_loose_things=grouped)
    merged = merging.merge(
        tf.constant(semantic, tf.int32),
        tf.constant(instance, tf.int32),
        29,
        5,
        settings,
    )
    for image in range(4):
        expected = reference.merge(semantic[image], instance[image], settings)
        np.testing.assert_array_equal(merged[image], expected)


def test_number_per_class_counts_in_order_of_first():
    number = merging.number_per_class(
        tf.constant([[1, 0, 1, -1, 1, 0]]),
        tf.constant([[50, 3, 10, 0, 90, 2]]),
        2,
    )
    assert number.numpy().tolist() == [[2, 2, 1, 0, 3, 1]]
