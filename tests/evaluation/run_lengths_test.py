import logging

import numpy as np
import pytest

from axial_deeplab.evaluation.run_lengths import (
    runs,
    segment_areas,
    segment_overlaps,
    value_counts,
)


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


def test_long_runs_of_large_ids_are_counted():
    """70,000 pixels of two ids of 24 bits do not fit in one word."""
    truth = np.full((200, 350), 2**24 - 1, np.uint32)
    predicted = np.full(truth.shape, 2**24 - 2, np.uint32)
    truth[-1, -1] = 7
    assert segment_overlaps(truth, predicted).pixels == {
        (7, 2**24 - 2): 1,
        (2**24 - 1, 2**24 - 2): 69_999,
    }


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "int64"])
def test_value_counts_equal_a_loop(dtype):
    maps = np.random.default_rng(1).integers(0, 4, (3, 6, 5)).astype(dtype)
    maps[0, 2:4] = 200
    expected = {}
    for values in zip(*map(np.ravel, maps), strict=True):
        key = tuple(int(value) for value in values)
        expected[key] = expected.get(key, 0) + 1
    counts = value_counts(*maps)
    assert counts == expected and list(counts) == sorted(expected)
    assert segment_areas(maps[0]) == {
        key: int((maps[0] == key).sum()) for key in np.unique(maps[0]).tolist()
    }


def test_bad_label_maps_are_named():
    labels = np.zeros((2, 3), np.int32)
    for wrong, words in (
        (labels.astype(float), "integer .*float64"),
        (labels[0], r"got int32 \[3\]"),
        (labels[:, :2], r"differ in size: \[2, 3\] and \[2, 2\]"),
        (labels - 1, "0..65535; got -1..-1"),
        (labels + 2**16, "got 65536..65536"),
    ):
        with pytest.raises(ValueError, match=words):
            value_counts(labels, wrong)


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
