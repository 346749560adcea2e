import logging

import numpy as np
import pytest

from axial_deeplab.evaluation.run_lengths import runs, segment_overlaps


def _pairs_by_loop(truth, predicted):
    pixels = {}
    for pair in zip(truth.ravel(), predicted.ravel(), strict=True):
        pair = tuple(int(i) for i in pair)
        pixels[pair] = pixels.get(pair, 0) + 1
    return pixels


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint32", "int64"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 11)])
def test_counts_equal_a_loop_over_pixels(dtype, shape):
    random = np.random.default_rng(0)
    truth = random.integers(0, 5, shape).astype(dtype)
    predicted = random.integers(0, 4, shape).astype(dtype)
    overlaps = segment_overlaps(truth, predicted)
    assert overlaps.pixels == _pairs_by_loop(truth, predicted)
    assert list(overlaps.pixels) == sorted(overlaps.pixels)
    ids, areas = np.unique(predicted, return_counts=True)
    assert list(overlaps.predicted_areas.items()) == list(
        zip(ids.tolist(), areas.tolist(), strict=True)
    )


def test_largest_ids_do_not_wrap():
    truth = np.array([[2**32 - 1, 2**32 - 1, 2**24 + 1]], np.uint32)
    predicted = np.array([[2**32 - 1, 1, 1]], np.int64)
    assert segment_overlaps(truth, predicted).pixels == {
        (2**24 + 1, 1): 1,
        (2**32 - 1, 1): 1,
        (2**32 - 1, 2**32 - 1): 1,
    }


def test_runs_end_with_their_row():
    starts, lengths = runs(np.array([[1, 1, 2], [2, 2, 2]]))
    assert starts.tolist() == [0, 2, 3]
    assert lengths.tolist() == [2, 1, 3]


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        (np.zeros((2, 2), np.float32), "float32"),
        (np.zeros((2, 2, 1), np.int32), r"\[2, 2, 1\]"),
        (np.zeros((0, 2), np.int32), r"\[0, 2\]"),
        (np.full((2, 2), -3), "segment id -3"),
        (np.full((2, 2), 2**32), "segment id 4294967296"),
        (np.zeros((2, 3), np.int32), r"\(2,3\) \(2,2\)"),
    ],
)
def test_bad_maps_are_named(truth, words):
    with pytest.raises(ValueError, match=f"ID street.*{words}"):
        segment_overlaps(truth, np.zeros((2, 2), np.int32), "street")


def test_a_repeated_row_keeps_its_area_and_warns(caplog):
    with caplog.at_level(logging.WARNING):
        overlaps = segment_overlaps(
            np.ones((4, 3), int), np.array([[5, 5, 7]]), "street"
        )
    assert overlaps.pixels == {(1, 5): 8, (1, 7): 4}
    assert overlaps.predicted_areas == {5: 2, 7: 1}
    assert "street" in caplog.text
