import dataclasses
import functools
import itertools
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.postprocess import (
    PanopticRules,
    PanopticSettings,
    panoptic_prediction,
)
from tests.golden import load_golden
from tests.reference import postprocess as reference

SETTINGS = PanopticSettings(
    thing_ids=(1, 3, 4),
    ignore_label=255,
    label_divisor=1000,
    nms_kernel_px=3,
    keep_k_centers=9,
    stuff_area_limit_px=12,
)


@functools.cache
def _graph_of_any_size(settings):
    return tf.function(
        lambda *maps: panoptic_prediction(*maps, settings),
        input_signature=[
            tf.TensorSpec([None, None, None, channels])
            for channels in (5, 1, 2)
        ],
    )


def _dynamic_graph(*maps_and_settings):
    *maps, settings = maps_and_settings
    return _graph_of_any_size(settings)(*maps)


def _scenes(batch, height, width, seed=0, num_classes=5):
    """Blobs of classes, heatmaps with equal scores, offsets in half pixels."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((batch, -(-height // 3), -(-width // 3), num_classes))
    smooth = coarse.repeat(3, 1).repeat(3, 2)[:, :height, :width]
    noise = 0.3 * rng.random((batch, height, width, num_classes))
    heatmap = rng.integers(0, 10, (batch, height, width, 1)) / 10
    heatmap *= rng.random(heatmap.shape) > 0.8
    offset = rng.integers(-8, 9, (batch, height, width, 2)) / 2
    return [np.float32(m) for m in (smooth + noise, heatmap, offset)]


def _assert_equal(actual, expected):
    assert actual.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name], name)


def _stacked_references(maps, settings):
    images = zip(*maps, strict=True)
    singles = [reference.predict(*image, settings) for image in images]
    return {name: np.stack([s[name] for s in singles]) for name in singles[0]}


@pytest.mark.parametrize(
    "rules", itertools.product([False, True], repeat=3), ids=str
)
def test_batch_equals_loops_on_each_image(rules):
    settings = dataclasses.replace(SETTINGS, rules=PanopticRules(*rules))
    maps = _scenes(3, 13, 17)
    maps[1][1] = 0  # no centres in the second image
    expected = _stacked_references(maps, settings)
    _assert_equal(panoptic_prediction(*maps, settings), expected)
    assert len(np.unique(expected[keys.PANOPTIC])) > 6


@pytest.mark.parametrize("keep_k", [0, 1, 3, 1000])
def test_numbers_of_centers(keep_k):
    settings = dataclasses.replace(SETTINGS, keep_k_centers=keep_k)
    maps = _scenes(2, 9, 12, seed=keep_k)
    _assert_equal(
        panoptic_prediction(*maps, settings),
        _stacked_references(maps, settings),
    )


def test_one_graph_serves_every_size():
    for size in [(1, 1, 1), (2, 5, 23), (1, 16, 2)]:
        maps = _scenes(*size, seed=size[2])
        expected = _stacked_references(maps, SETTINGS)
        _assert_equal(_dynamic_graph(*maps, SETTINGS), expected)


def test_xla_gives_the_same():
    maps = _scenes(2, 11, 14)
    compiled = tf.function(panoptic_prediction, jit_compile=True)
    _assert_equal(
        compiled(*maps, SETTINGS), _stacked_references(maps, SETTINGS)
    )


def test_graph_does_not_grow_with_centers_or_images():
    def operations(batch, keep_k):
        settings = dataclasses.replace(SETTINGS, keep_k_centers=keep_k)
        maps = [
            tf.TensorSpec([batch, 40, 40, channels]) for channels in (5, 1, 2)
        ]
        graph = tf.function(panoptic_prediction).get_concrete_function(
            *maps, settings
        )
        return len(graph.graph.get_operations())

    assert operations(1, 5) == operations(8, 200)


def test_image_of_stuff_only_and_image_of_void_only():
    maps = _scenes(2, 8, 8)
    maps[0][0] = [1, 0, 0, 0, 0]  # stuff 0 everywhere
    maps[0][1] = [0, 1, 0, 0, 0]  # things everywhere, but no centre
    maps[1][1] = 0
    result = panoptic_prediction(*maps, SETTINGS)
    assert (result[keys.PANOPTIC][0].numpy() == 0).all()
    assert (result[keys.PANOPTIC][1].numpy() == SETTINGS.void_id).all()
    assert not result[keys.INSTANCE].numpy().any()
    assert not result[keys.INSTANCE_SCORE].numpy().any()


def test_predicted_ignore_class_is_void_whatever_its_area():
    settings = dataclasses.replace(SETTINGS, ignore_label=0)
    maps = _scenes(1, 8, 8)
    maps[0][0] = [1, 0, 0, 0, 0]
    result = panoptic_prediction(*maps, settings)
    assert (result[keys.PANOPTIC].numpy() == settings.void_id).all()


@pytest.mark.parametrize(
    ("shapes", "named"),
    [
        (([4, 4, 5], [1, 4, 4, 1], [1, 4, 4, 2]), "semantic_probabilities"),
        (([1, 4, 4, 5], [1, 4, 4, 2], [1, 4, 4, 2]), "center_heatmap"),
        (([1, 4, 4, 5], [1, 4, 4, 1], [1, 4, 4, 1]), "center_offset"),
        (([1, 4, 4, 3], [1, 4, 4, 1], [1, 4, 4, 2]), "thing_ids"),
    ],
)
def test_bad_shapes_are_named(shapes, named):
    with pytest.raises(ValueError, match=named):
        panoptic_prediction(*map(tf.zeros, shapes), SETTINGS)


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        (([1, 4, 4], [1, 4, 5], [1, 4, 4]), "heatmap"),
        (([1, 4, 4], [1, 4, 4], [2, 4, 4]), "offset"),
        (([1, 0, 4], [1, 0, 4], [1, 0, 4]), "pixels"),
    ],
)
@pytest.mark.parametrize("predict", [panoptic_prediction, _dynamic_graph])
def test_sizes_that_do_not_fit_are_named(predict, sizes, named):
    maps = [
        tf.zeros([*size, channels])
        for size, channels in zip(sizes, (5, 1, 2), strict=True)
    ]
    with pytest.raises(tf.errors.InvalidArgumentError, match=named):
        predict(*maps, SETTINGS)


_CITYSCAPES_SIZE = """
import numpy as np
import tensorflow as tf
from axial_deeplab.postprocess import PanopticSettings, panoptic_prediction

heatmap = np.zeros((1, 1024, 2048, 1), np.float32)
heatmap[0, 30::100, 30::100, 0] = np.linspace(0.2, 1, 210).reshape(10, 21)
classes = tf.range(1024 * 2048) // 4096 % 19
result = tf.function(panoptic_prediction)(
    tf.reshape(tf.one_hot(classes, 19), [1, 1024, 2048, 19]),
    heatmap,
    tf.random.normal([1, 1024, 2048, 2], stddev=30),
    PanopticSettings(tuple(range(11, 19)), 255, 1000),
)
# (getrusage would give the peak of a larger parent process instead.)
status = open("/proc/self/status").read()
peak_bytes = 1024 * int(status.split("VmHWM:")[1].split()[0])
print(result["instance"].numpy().max(), peak_bytes)
"""


def test_cityscapes_size_with_200_centers_stays_below_1500_mb():
    done = subprocess.run(
        [sys.executable, "-c", _CITYSCAPES_SIZE],
        capture_output=True,
        text=True,
        check=False,
        cwd=pathlib.Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    instances, peak_bytes = map(int, done.stdout.split())
    assert instances == 200
    assert peak_bytes < 1.5e9


@pytest.mark.golden
def test_golden_settings():
    golden = load_golden("panoptic_postprocess.npz")
    compared = set()
    for name, case in golden.meta["settings"].items():
        if not all(case["agrees_with_numpy"].values()):
            continue  # the reference's own defect, as its description says
        folder = name.rpartition("/")[0]
        inputs = [
            golden.arrays[f"{folder}/{key}".lstrip("/")]
            for key in ("semantic_logits", "center_heatmap", "offset_map")
        ]
        result = panoptic_prediction(*inputs, _golden_settings(golden, case))
        for ours, theirs in _GOLDEN_NAMES.items():
            if f"{name}/{theirs}" in golden.arrays:
                expected = golden.arrays[f"{name}/{theirs}"]
                what = f"{name}/{theirs}"
                np.testing.assert_array_equal(result[ours][0], expected, what)
                compared.add(what)
        if not folder:
            np.testing.assert_array_equal(
                result[keys.SEMANTIC][0], golden.arrays["semantic"], name
            )
    assert compared


_GOLDEN_NAMES = {
    keys.PANOPTIC: "panoptic",
    keys.INSTANCE: "instance",
    keys.INSTANCE_CENTER: "center_after_nms",
    keys.INSTANCE_SCORE: "instance_score",
}


def _golden_settings(golden, case):
    return PanopticSettings(
        thing_ids=golden.meta["thing_class_ids"],
        ignore_label=case["void_label"],
        label_divisor=golden.meta["label_divisor"],
        center_threshold=case["center_threshold"],
        nms_kernel_px=case["nms_kernel_size"],
        keep_k_centers=case["keep_k_centers"],
        stuff_area_limit_px=case["stuff_area_limit"],
        rules=PanopticRules(centers_above_kth=True),
    )
