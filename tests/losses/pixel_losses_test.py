import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.losses import pixel_losses
from tests.reference import losses as reference

BATCH, HEIGHT, WIDTH, CLASSES = 2, 3, 5, 4

PAIRS = {
    "cross_entropy": (pixel_losses.cross_entropy, reference.cross_entropy),
    "squared_error": (pixel_losses.squared_error, reference.squared_error),
    "absolute_error": (pixel_losses.absolute_error, reference.absolute_error),
}


def case(name, seed=0):
    """Targets, predictions and weights with zeros and exact predictions."""
    rng = np.random.default_rng(seed)
    pixels = (BATCH, HEIGHT, WIDTH)
    weights = rng.uniform(0.5, 3, pixels).astype(np.float32)
    weights[:, 1, :3] = 0
    if name == "cross_entropy":
        targets = rng.integers(0, CLASSES, pixels).astype(np.int32)
        predictions = rng.normal(size=pixels + (CLASSES,))
    else:
        channels = 1 if name == "squared_error" else 2
        targets = rng.normal(size=pixels + (channels,)).astype(np.float32)
        predictions = targets + rng.normal(size=targets.shape)
        predictions[:, 0, 1] = targets[:, 0, 1]  # leaves the normaliser
    return targets, predictions.astype(np.float32), weights


def per_sample(function, targets, predictions, weights, fraction):
    losses = function(targets, predictions, weights)
    return pixel_losses.mean_of_hardest(losses, fraction)


@pytest.mark.parametrize("fraction", [1.0, 0.9, 0.5, 0.2])
@pytest.mark.parametrize("name", PAIRS)
def test_values_equal_the_loops(name, fraction):
    ours, loops = PAIRS[name]
    targets, predictions, weights = case(name)
    np.testing.assert_allclose(
        per_sample(ours, targets, predictions, weights, fraction),
        reference.per_sample(loops, targets, predictions, weights, fraction),
        rtol=2e-6,
    )


@pytest.mark.parametrize("fraction", [1.0, 0.2])
@pytest.mark.parametrize("name", PAIRS)
def test_gradients_equal_differences_of_the_loops(name, fraction):
    ours, loops = PAIRS[name]
    targets, predictions, weights = case(name)
    # Away from exact predictions, where the normaliser jumps.
    predictions = predictions + np.float32(0.25)
    variable = tf.constant(predictions)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        loss = per_sample(ours, targets, variable, weights, fraction)
        total = tf.reduce_sum(loss)

    def slow(point):
        return reference.per_sample(
            loops, targets, point, weights, fraction
        ).sum()

    expected = reference.numerical_gradient(slow, predictions)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(
        tape.gradient(total, variable), expected, atol=1e-5
    )


@pytest.mark.parametrize("name", PAIRS)
def test_targets_without_weight_are_not_looked_at(name):
    ours, _ = PAIRS[name]
    targets, predictions, weights = case(name)
    broken = targets.copy()
    broken[weights == 0] = 255 if name == "cross_entropy" else np.nan
    variable = tf.constant(predictions)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        loss = per_sample(ours, broken, variable, weights, 0.5)
    np.testing.assert_array_equal(
        loss, per_sample(ours, targets, predictions, weights, 0.5)
    )
    gradient = tape.gradient(loss, variable).numpy()
    assert np.isfinite(gradient).all()
    assert not gradient[weights == 0].any() and gradient.any()


@pytest.mark.parametrize("name", PAIRS)
def test_dynamic_shapes_and_xla_give_the_same(name):
    ours, _ = PAIRS[name]
    targets, predictions, weights = case(name)
    expected = per_sample(ours, targets, predictions, weights, 0.3)
    free = [
        tf.TensorSpec([None] * array.ndim, array.dtype)
        for array in (targets, predictions, weights)
    ]

    def function(*arrays):
        return per_sample(ours, *arrays, 0.3)

    dynamic = tf.function(function, input_signature=free)
    compiled = tf.function(function, jit_compile=True)
    for variant in (dynamic, compiled):
        np.testing.assert_allclose(
            variant(targets, predictions, weights), expected, rtol=1e-6
        )


def test_half_predictions_are_judged_in_float32():
    targets, predictions, weights = case("cross_entropy")
    half = tf.cast(predictions * 8, tf.float16)
    loss = pixel_losses.cross_entropy(targets, half, weights)
    assert loss.dtype == tf.float32
    np.testing.assert_array_equal(
        loss,
        pixel_losses.cross_entropy(targets, tf.cast(half, tf.float32), weights),
    )


def test_hardest_pixels_by_hand():
    # 10 pixels: round(0.25 * 10) = 2, half to even; round(0.35 * 10) = 4 as
    # 3.5 goes to the even 4; a zero among the kept does not count.
    losses = tf.constant([[[5.0, 1, 0, 0, 3], [0, 0, 0, 0, 0]]])
    mean = pixel_losses.mean_of_hardest
    np.testing.assert_allclose(mean(losses, 0.25), [4.0])
    np.testing.assert_allclose(mean(losses, 0.35), [3.0])
    np.testing.assert_allclose(mean(losses, 1.0), [3.0])
    np.testing.assert_allclose(mean(losses, 0.01), [5.0])
    np.testing.assert_allclose(mean(losses * 0, 0.25), [0.0])


def test_nan_samples_are_dropped_unless_all_are():
    nan = float("nan")
    np.testing.assert_array_equal(
        pixel_losses.drop_nan_samples(tf.constant([1.0, nan, 3.0])), [1, 0, 3]
    )
    np.testing.assert_array_equal(
        pixel_losses.drop_nan_samples(tf.constant([nan, nan])), [nan, nan]
    )
