"""Blocks that compute their activations again train as the others."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.layers.mixers import AxialMixer
from axial_deeplab.layers.residual import BottleneckBlock
from tests.layers.layer_case import randomize


def _block(recompute, drop_path=0.0):
    mixer = AxialMixer(heads=2)
    return BottleneckBlock(
        mixer.build(4, 2),
        inner_filters=8,
        filters=12,
        stride=2,
        drop_path=drop_path,
        recompute=recompute,
    )


def _inputs():
    rng = np.random.default_rng(3)
    return tf.constant(rng.normal(size=(3, 5, 6, 8)), tf.float32)


def _twins(**options):
    stored, recomputed = _block(False, **options), _block(True, **options)
    for block in (stored, recomputed):
        block(_inputs())
    randomize(stored)
    recomputed.set_weights(stored.get_weights())
    return stored, recomputed


def _step(block, x):
    """Output, gradients of input and weights, weights after the step."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = block(x, training=True)
        loss = tf.reduce_sum(tf.square(tf.cast(y, tf.float32)))
    gradients = tape.gradient(loss, [x, *block.trainable_weights])
    return [y, *gradients, *(tf.identity(w) for w in block.weights)]


@pytest.mark.parametrize("in_graph", [False, True])
def test_recomputed_block_trains_as_the_stored_one(in_graph):
    x = _inputs()
    results = []
    for block in _twins():
        step = lambda x, block=block: _step(block, x)  # noqa: E731
        results.append((tf.function(step) if in_graph else step)(x))
    for actual, expected in zip(*reversed(results), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_moving_statistics_are_updated_once():
    stored, recomputed = _twins()
    before = [w.numpy() for w in stored.non_trainable_weights]
    for block in (stored, recomputed):
        _step(block, _inputs())
    for old, one, other in zip(
        before,
        stored.non_trainable_weights,
        recomputed.non_trainable_weights,
        strict=True,
    ):
        assert np.any(old != one.numpy())
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_dropped_paths_are_the_same_in_the_gradient():
    """The drop is outside what is computed twice: no gradient if dropped."""
    _, block = _twins(drop_path=0.5)
    tf.random.set_seed(3)
    kept = 0
    for _ in range(8):
        x = _inputs()[:1]
        with tf.GradientTape() as tape:
            y = block(x, training=True)
        alone = tf.nn.relu(block.shortcut(x, training=True))
        dropped = np.allclose(y, alone, atol=1e-5)
        gradient = tape.gradient(y, block.expand.batch_norm.gamma)
        assert dropped == bool(np.all(gradient == 0.0))
        kept += not dropped
    assert 0 < kept < 8


def test_mixed_precision():
    stored, _ = _twins()
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        half = _block(True)
        x = tf.cast(_inputs(), tf.bfloat16)
        half(x)
        half.set_weights(stored.get_weights())
        gradients = _step(half, x)[1 : 2 + len(half.trainable_weights)]
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    expected = _step(stored, _inputs())[1 : 2 + len(half.trainable_weights)]
    for one, other in zip(gradients, expected, strict=True):
        one, other = np.asarray(one, np.float32), np.asarray(other)
        if np.abs(other).max() > 1e-3:
            error = np.abs(one - other).mean() / np.abs(other).mean()
            assert error < 0.2


def test_config_holds_recompute():
    block = BottleneckBlock.from_config(_block(True).get_config())
    assert block.recompute
