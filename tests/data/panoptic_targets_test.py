import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.data.panoptic_targets import (
    TargetSettings,
    panoptic_targets,
)
from tests import golden
from tests.reference import panoptic_targets as reference

SETTINGS = TargetSettings(
    thing_ids=(0, 2, 5),
    ignore_label=255,
    label_divisor=100,
    sigma_px=2,
    small_instance_area_px=30,
    small_instance_weight=3.0,
)


def scene(seed: int, height: int = 21, width: int = 26) -> np.ndarray:
    """Overlapping boxes: instances, a crowd, stuff and void, some split."""
    rng = np.random.default_rng(seed)
    panoptic = np.full((height, width), 300, np.int32)
    for value in (400, 25500, 500, 1, 99, 201, 202, 501, 599, 200):
        top, left = rng.integers(0, height), rng.integers(0, width)
        bottom, right = top + rng.integers(2, 9), left + rng.integers(2, 12)
        panoptic[top:bottom, left:right] = value
    return panoptic


def assert_equals_loops(panoptic, settings, targets, weights):
    expected_targets, expected_weights = reference.panoptic_targets(
        panoptic,
        settings.thing_ids,
        settings.ignore_label,
        settings.label_divisor,
        settings.sigma_px,
        settings.small_instance_area_px,
        settings.small_instance_weight,
    )
    semantic, heatmap, offset = expected_targets
    np.testing.assert_array_equal(targets[keys.SEMANTIC_LOGITS], semantic)
    np.testing.assert_array_equal(targets[keys.CENTER_OFFSET], offset)
    np.testing.assert_allclose(
        targets[keys.CENTER_HEATMAP][..., 0], heatmap, rtol=0, atol=1e-6
    )
    names = (keys.SEMANTIC_LOGITS, keys.CENTER_HEATMAP, keys.CENTER_OFFSET)
    for name, expected in zip(names, expected_weights, strict=True):
        np.testing.assert_array_equal(weights[name], expected, err_msg=name)


@pytest.mark.parametrize("seed", range(4))
def test_targets_equal_loops(seed):
    panoptic = scene(seed)
    targets, weights = panoptic_targets(panoptic, SETTINGS)
    assert weights[keys.CENTER_OFFSET].numpy().any()
    assert (weights[keys.CENTER_HEATMAP].numpy() == 0).any()
    assert_equals_loops(panoptic, SETTINGS, targets, weights)


def test_void_below_the_classes_and_a_thing_after_it():
    settings = TargetSettings((1, 3), ignore_label=0, label_divisor=256)
    panoptic = np.array([[0, 257, 257], [258, 768, 1023], [512, 0, 256]])
    panoptic = panoptic.astype(np.int32)
    targets, weights = panoptic_targets(panoptic, settings)
    assert_equals_loops(panoptic, settings, targets, weights)


def test_consecutive_things_equal_loops():
    settings = dataclasses.replace(SETTINGS, thing_ids=(3, 4, 5))
    targets, weights = panoptic_targets(scene(0), settings)
    assert weights[keys.CENTER_OFFSET].numpy().any()
    assert_equals_loops(scene(0), settings, targets, weights)


def test_graph_with_unknown_size_equals_eager():
    function = tf.function(
        lambda panoptic: panoptic_targets(panoptic, SETTINGS),
        input_signature=[tf.TensorSpec([None, None], tf.int32)],
    )
    for panoptic in (scene(1), scene(2, 9, 13)):
        assert_equals_loops(panoptic, SETTINGS, *function(panoptic))


def test_static_shape_survives_a_dataset():
    panoptic = scene(0)
    dataset = tf.data.Dataset.from_tensors(panoptic).map(
        lambda x: panoptic_targets(x, SETTINGS)
    )
    targets, weights = dataset.element_spec
    assert targets[keys.CENTER_HEATMAP].shape == (*panoptic.shape, 1)
    assert targets[keys.CENTER_OFFSET].shape == (*panoptic.shape, 2)
    assert all(w.shape == panoptic.shape for w in weights.values())


def test_image_without_instances():
    panoptic = np.full((4, 5), 300, np.int32)
    targets, weights = panoptic_targets(panoptic, SETTINGS)
    assert_equals_loops(panoptic, SETTINGS, targets, weights)
    assert targets[keys.CENTER_HEATMAP].numpy().max() == 0


def test_half_way_centers_round_to_even():
    panoptic = np.full((8, 8), 300, np.int32)
    panoptic[0:2, 3:5] = 201  # means 0.5 and 3.5
    targets, _ = panoptic_targets(panoptic, SETTINGS)
    peak = np.argwhere(targets[keys.CENTER_HEATMAP].numpy()[..., 0] == 1)
    np.testing.assert_array_equal(peak, [[0, 4]])


def test_sums_stay_exact_on_a_large_map():
    # A float32 mean of these 0.6 million coordinates is off by several px.
    panoptic = np.full((600, 1024), 201, np.int32)
    targets, _ = panoptic_targets(panoptic, SETTINGS)
    offset = targets[keys.CENTER_OFFSET].numpy()
    np.testing.assert_array_equal(offset[0, 0], [300, 512])


def test_settings_of_a_dataset():
    spec = dataset_spec("coco_panoptic")
    settings = TargetSettings.for_dataset(spec, sigma_px=4)
    assert settings == TargetSettings(tuple(range(1, 81)), 0, 256, sigma_px=4)


@pytest.mark.golden
def test_targets_equal_the_public_implementation():
    data = golden.load_golden("panoptic_deeplab_targets.npz")
    arrays = data.arrays
    scenes = sorted({name.split("/")[0] for name in arrays})
    for scene_name in scenes:
        for case, options in data.meta["settings"].items():
            panoptic = arrays.get(
                f"{scene_name}/{case}/panoptic_map",
                arrays[f"{scene_name}/panoptic_map"],
            )
            settings = _golden_settings(options)
            void = settings.ignore_label * settings.label_divisor
            missing = np.subtract(options["crop"], panoptic.shape)
            panoptic = np.pad(
                panoptic, [(0, n) for n in missing], constant_values=void
            )
            _check_golden_case(
                arrays, f"{scene_name}/{case}", panoptic, settings
            )


def _golden_settings(options):
    small = options["focus_small_instances"] or {"threshold": 0, "weight": 1.0}
    return TargetSettings(
        tuple(options["things"]),
        options["ignore_label"],
        options["panoptic_label_divisor"],
        options["sigma"],
        small["threshold"],
        small["weight"],
    )


def _check_golden_case(arrays, name, panoptic, settings):
    targets, weights = panoptic_targets(panoptic, settings)

    def equal(actual, key):
        np.testing.assert_array_equal(
            actual, arrays[f"{name}/{key}"], err_msg=f"{name}/{key}"
        )

    equal(targets[keys.SEMANTIC_LOGITS], "semantic_gt")
    equal(targets[keys.CENTER_OFFSET], "instance_regression_gt")
    equal(weights[keys.SEMANTIC_LOGITS], "semantic_loss_weight")
    equal(weights[keys.CENTER_HEATMAP], "center_loss_weight")
    equal(weights[keys.CENTER_OFFSET], "regression_loss_weight")
    np.testing.assert_allclose(
        targets[keys.CENTER_HEATMAP][..., 0],
        arrays[f"{name}/instance_center_gt"],
        rtol=0,
        atol=1e-6,
    )
