import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers.depthwise import DepthwiseConv
from axial_deeplab.layers.folded_weights import fold_model, folded_weights
from axial_deeplab.layers.mscan_block import MSCANBlock
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.scale_attention import (
    LARGE_KERNEL,
    MultiScaleConvAttention,
    ScaleOptions,
)
from tests.layers.layer_case import randomize
from tests.layers.layer_cases import features
from tests.reference import scale_attention as reference

SHAPE = (2, 5, 6, 4)

OPTIONS = {
    "full": ScaleOptions(),
    "one strip": ScaleOptions(strips=(7,)),
    "no 1x1": ScaleOptions(strips=(3, 5), mix=False),
    "no product": ScaleOptions(strips=(3, 5), gate=False),
    "large kernel": LARGE_KERNEL,
}


def _settled(layer, shape=SHAPE):
    layer(features(*shape))
    randomize(layer)
    return layer


@pytest.mark.parametrize("name", OPTIONS)
def test_attention_equals_slow_loops(name):
    layer = _settled(MultiScaleConvAttention(OPTIONS[name]))
    x = features(*SHAPE)
    expected = reference.attention(layer, x.numpy())
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_switches_change_the_number_of_convolutions():
    counts = {
        name: len(_settled(MultiScaleConvAttention(options)).weights) // 2
        for name, options in OPTIONS.items()
    }
    assert counts == {
        "full": 8,
        "one strip": 4,
        "no 1x1": 5,
        "no product": 6,
        "large kernel": 3,
    }


def test_a_pixel_reaches_as_far_as_the_longest_strip():
    """10 + 2 pixels along an axis, and nothing beyond."""
    layer = _settled(MultiScaleConvAttention(ScaleOptions(gate=False)))
    x = np.zeros((2, 31, 31, 4), np.float32)
    x[1, 15, 15] = 1.0
    y = layer(tf.constant(x)).numpy()
    rows, columns = np.nonzero(np.any(np.abs(y[1] - y[0]) > 1e-7, axis=-1))
    for places in (rows, columns):
        assert (places.min(), places.max()) == (15 - 12, 15 + 12)


def test_large_kernel_and_strips_exclude_each_other():
    with pytest.raises(ValueError, match=r"`strips`.*got \(7, 11, 21\)"):
        ScaleOptions(large_kernel=True)
    with pytest.raises(ValueError, match=r"odd.*got \(1, 8\)"):
        MultiScaleConvAttention(ScaleOptions(strips=(8,)))


@pytest.mark.parametrize("training", [False, True])
def test_block_equals_slow_loops(training):
    norm = NormOptions(momentum=0.9, epsilon=1e-2)  # one that shows
    layer = _settled(MSCANBlock(2, ScaleOptions(strips=(3, 5)), norm=norm))
    x = features(*SHAPE)
    expected = reference.block(layer, x, training)
    actual = layer(x, training=training)
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", OPTIONS)
def test_folded_weights_change_nothing(name):
    """Training with frozen statistics runs layer after layer."""
    layer = _settled(MSCANBlock(2, OPTIONS[name], norm=NormOptions(0.9, 1e-2)))
    layer.trainable = False
    x = features(*SHAPE)
    expected = layer(x, training=True).numpy()
    limit = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(layer(x), expected, rtol=0, atol=limit)
    folded = fold_model(layer)
    parts = (layer.attention_norm, layer.attention_scale)
    for part in (*parts, layer.feed_norm, layer.feed_scale):
        randomize(part, seed=7)
    assert np.abs(layer(x) - expected).max() > 0.1
    with folded_weights(folded):
        np.testing.assert_allclose(layer(x), expected, rtol=0, atol=limit)


def test_gradients_of_inference_are_those_of_frozen_training():
    layer = _settled(MSCANBlock(2, ScaleOptions(strips=(3,))))
    x = features(*SHAPE)
    frozen = layer.trainable_weights
    layer.trainable = False
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(frozen)
        folded = tf.reduce_sum(layer(x) ** 2)
        plain = tf.reduce_sum(layer(x, training=True) ** 2)
    for weight in frozen:
        actual, expected = (tape.gradient(y, weight) for y in (folded, plain))
        largest = np.abs(expected).max()
        assert largest > 0
        np.testing.assert_allclose(actual, expected, atol=1e-4 * largest)


def test_branches_are_dropped_apart():
    layer = _settled(
        MSCANBlock(2, ScaleOptions(strips=(3,)), drop_path=0.5),
        (1, *SHAPE[1:]),
    )
    x = tf.repeat(features(1, *SHAPE[1:]), 64, axis=0)
    tf.random.set_seed(3)
    outputs = {tuple(np.ravel(y)[:4]) for y in layer(x, training=True).numpy()}
    assert len(outputs) == 4  # both, the first, the second, none


def _gradients(layer, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    return tape.gradient(
        y, [x, *layer.trainable_weights], output_gradients=tf.cos(y)
    )


def test_recomputation_changes_no_gradient():
    plain, again = (
        _settled(MSCANBlock(2, ScaleOptions(strips=(3,)), recompute=recompute))
        for recompute in (False, True)
    )
    x = features(*SHAPE)
    for one, other in zip(
        _gradients(plain, x), _gradients(again, x), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_new_branches_are_scaled_down():
    layer = MSCANBlock(2)
    layer(features(*SHAPE))
    for scale in (layer.attention_scale, layer.feed_scale):
        np.testing.assert_allclose(scale.factor, 0.01)


def test_kernels_start_with_the_deviation_of_their_fan():
    """sqrt(2 / fan out), which for a depthwise kernel is its places."""
    layer = DepthwiseConv((5, 5))
    layer(features(1, 2, 2, 400))
    assert np.std(layer.kernel) == pytest.approx((2 / 25) ** 0.5, rel=0.05)
    assert not np.any(layer.bias)
