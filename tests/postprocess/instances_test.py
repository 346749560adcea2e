import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.postprocess import (
    COMPILED_OP_RULES,
    PanopticSettings,
    instance_lists,
    panoptic_prediction,
)

SETTINGS = PanopticSettings(
    thing_ids=(1, 3),
    ignore_label=255,
    label_divisor=10,
    nms_kernel_px=3,
    keep_k_centers=7,
    stuff_area_limit_px=4,
)


def _scenes(batch, height, width, seed=0):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([0.3] * 5, (batch, height, width))
    heatmap = rng.uniform(0, 1, (batch, height, width, 1))
    offset = rng.normal(0, 3, (batch, height, width, 2))
    return [x.astype(np.float32) for x in (probabilities, heatmap, offset)]


def _slow_list(panoptic, score, probabilities, settings):
    """Rows (score, id, class) of one image, best first."""
    rows = []
    for one in np.unique(panoptic):
        label = one // settings.label_divisor
        if label in settings.thing_ids:
            mask = panoptic == one
            mean = probabilities[mask, label].mean() * score[mask].mean()
            rows.append((mean, one, label))
    return sorted(rows, reverse=True)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"keep_k_centers": 0},
        {"keep_k_centers": 2},
        # Things without centre form an instance, of score 0.
        {"center_threshold": 2.0, "rules": COMPILED_OP_RULES},
        {"center_threshold": 2.0},
        {"ignore_label": 0},
    ],
)
def test_lists_equal_the_slow_loop(changes):
    settings = dataclasses.replace(SETTINGS, **changes)
    scenes = _scenes(3, 9, 12)
    maps = panoptic_prediction(*scenes, settings)
    found = instance_lists(maps, tf.constant(scenes[0]), settings)
    count = settings.keep_k_centers or 1000
    total = 0
    for image in range(3):
        expected = _slow_list(
            maps[keys.PANOPTIC][image].numpy(),
            maps[keys.INSTANCE_SCORE][image].numpy(),
            scenes[0][image],
            settings,
        )
        missing = count - len(expected)
        scores, ids, classes = zip(
            *expected, *[(0.0, -1, -1)] * missing, strict=True
        )
        np.testing.assert_allclose(
            found[keys.INSTANCE_SCORES][image], scores, rtol=1e-5
        )
        np.testing.assert_array_equal(found[keys.INSTANCE_IDS][image], ids)
        np.testing.assert_array_equal(
            found[keys.INSTANCE_CLASSES][image], classes
        )
        total += len(expected)
    if settings.center_threshold < 1:
        assert total > 4
