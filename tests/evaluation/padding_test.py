"""Batches with padding, blanks and neither."""

import numpy as np

from axial_deeplab import keys
from axial_deeplab.evaluation import unpadded

MAPS = np.arange(3 * 4 * 5).reshape(3, 4, 5)


def test_padding_and_blanks_are_left_out():
    labels = {keys.HEIGHT: np.array([4, 0, 2]), keys.WIDTH: np.array([1, 0, 5])}
    images = np.stack([MAPS] * 3, -1)
    (first, *of_first), (second, *of_second) = unpadded(labels, MAPS, images)
    assert (first, second) == (0, 2)
    for kept, batch in zip(of_first, (MAPS, images), strict=True):
        np.testing.assert_array_equal(kept, batch[0, :4, :1])
    for kept, batch in zip(of_second, (MAPS, images), strict=True):
        np.testing.assert_array_equal(kept, batch[2, :2, :5])


def test_without_sizes_nothing_is_padded():
    found = list(unpadded({}, MAPS))
    assert [index for index, _ in found] == [0, 1, 2]
    np.testing.assert_array_equal([maps for _, maps in found], MAPS)
