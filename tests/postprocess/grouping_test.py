import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.postprocess import grouping
from axial_deeplab.postprocess.centers import Centers, find_centers
from tests.reference import postprocess as reference


def _centers(places, unused=0):
    position = np.full((1, len(places) + unused, 2), np.inf, np.float32)
    position[0, : len(places)] = places
    valid = np.isfinite(position[..., 0])
    return Centers(
        tf.constant(position), tf.cast(valid, tf.float32), tf.constant(valid)
    )


def test_nearest_center_equals_loops_in_every_image():
    rng = np.random.default_rng(0)
    peaks = np.where(rng.random((3, 7, 11)) > 0.9, 1, 0).astype(np.float32)
    offset = rng.normal(0, 3, (3, 7, 11, 2)).astype(np.float32)
    index = grouping.nearest_center(find_centers(peaks, 20), offset)
    for image in range(3):
        places = reference.centers(peaks[image], 20)
        assert len(places) > 1
        everywhere = np.ones((7, 11), bool)
        expected = reference.group(places, offset[image], everywhere) - 1
        np.testing.assert_array_equal(index[image], expected)


@pytest.mark.parametrize("distances_per_block", [1, 7, 40, 1000])
def test_blocks_do_not_change_the_result(monkeypatch, distances_per_block):
    rng = np.random.default_rng(1)
    peaks = (rng.random((2, 5, 9)) > 0.8).astype(np.float32)
    offset = rng.normal(0, 2, (2, 5, 9, 2)).astype(np.float32)
    centers = find_centers(peaks, 6)
    whole = grouping.nearest_center(centers, offset)
    monkeypatch.setattr(grouping, "_DISTANCES_PER_BLOCK", distances_per_block)
    np.testing.assert_array_equal(
        grouping.nearest_center(centers, offset), whole
    )
    assert len(np.unique(whole)) > 2


def test_first_center_wins_a_tie():
    offset = tf.zeros([1, 1, 5, 2])
    index = grouping.nearest_center(_centers([(0, 0), (0, 4)], 2), offset)
    assert index.numpy().tolist() == [[[0, 0, 0, 1, 1]]]


def test_one_pixel_decides_at_the_far_end_of_a_large_image():
    # |p|^2 - 2 p.c + |c|^2 in float32 would round these distances away.
    offset = tf.constant([[[[4000.0, 8000.0]]]])
    places = [(4000.0, 7999.5), (4000.0, 8000.25)]
    assert grouping.nearest_center(_centers(places), offset).numpy() == [[[1]]]
