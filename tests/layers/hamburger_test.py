import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.layers import hamburger
from axial_deeplab.layers.hamburger import FactorizationOptions, Hamburger
from tests.golden import load_golden
from tests.layers.layer_case import randomize
from tests.layers.layer_cases import features

SHAPE = (2, 3, 4, 8)


def _slow(x, bases, steps):
    """[n, d], [d, r] -> coefficients, bases and product, entry by entry."""
    x, bases = np.asarray(x, np.float64), np.asarray(bases, np.float64)
    powers = np.exp(x @ bases)
    coefficients = powers / powers.sum(axis=1, keepdims=True)
    for step in range(steps + 1):
        coefficients = _update(x.T, bases, coefficients.T).T
        if step < steps:
            bases = _update(x, coefficients, bases.T).T
    return coefficients @ bases.T


def _update(x, fixed, changed):
    """Of `changed` [r, m], where x [k, m] is nearly fixed [k, r] changed."""
    model = fixed @ changed
    out = np.zeros_like(changed)
    for r, m in np.ndindex(changed.shape):
        wanted, have = (np.sum(fixed[:, r] * y[:, m]) for y in (x, model))
        out[r, m] = changed[r, m] * wanted / (have + 1e-6)
    return out


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_factorization_equals_slow_loops(steps):
    rng = np.random.default_rng(0)
    x = rng.random((2, 6, 5)).astype(np.float32)
    bases = np.asarray(hamburger.random_bases(2, 5, 3))
    actual = hamburger.factorize(tf.constant(x), tf.constant(bases), steps)
    expected = [_slow(*pair, steps) for pair in zip(x, bases, strict=True)]
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_more_steps_fit_better():
    x = np.random.default_rng(0).random((1, 40, 12)).astype(np.float32)
    bases = hamburger.random_bases(1, 12, 4)
    errors = [
        float(tf.norm(hamburger.factorize(x, bases, steps) - x))
        for steps in (0, 2, 8, 32)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.95 * errors[0]


def test_bases_have_length_one_and_differ_by_sample():
    bases = hamburger.random_bases(3, 16, 5).numpy()
    assert np.min(bases) >= 0
    np.testing.assert_allclose(np.linalg.norm(bases, axis=1), 1, rtol=1e-5)
    assert np.all(bases[0] != bases[1]) and np.all(bases[1] != bases[2])


def test_one_step_stops_gradients_at_the_last_update():
    """Coefficients and bases that went in look like constants."""
    x = tf.constant(np.random.default_rng(0).random((1, 6, 5)), tf.float32)
    start = hamburger.random_bases(1, 5, 3)
    coefficients = tf.nn.softmax(tf.matmul(x, start))
    coefficients = hamburger.update_coefficients(x, coefficients, start)
    bases = hamburger.update_bases(x, coefficients, start)

    def last(x):
        c = hamburger.update_coefficients(x, coefficients, bases)
        return tf.matmul(c, bases, transpose_b=True)

    def gradient(function):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return tape.gradient(y, x, output_gradients=tf.cos(y))

    one = gradient(lambda x: hamburger.factorize(x, start, 1, one_step=True))
    full = gradient(lambda x: hamburger.factorize(x, start, 1))
    np.testing.assert_allclose(one, gradient(last), rtol=1e-5, atol=1e-6)
    assert np.max(np.abs(one - full)) > 1e-2


def _burger(**options):
    layer = Hamburger(FactorizationOptions(rank=3, **options), groups=2)
    layer(features(*SHAPE))
    randomize(layer)
    return layer


@pytest.mark.parametrize(
    ("draw", "random_training", "random_inference"),
    [
        ("training", True, False),
        ("always", True, True),
        ("never", False, False),
    ],
)
def test_draws_say_when_bases_are_random(
    draw, random_training, random_inference
):
    layer, x = _burger(draw=draw), features(*SHAPE)
    for training, random in (
        (True, random_training),
        (False, random_inference),
    ):
        one, other = (layer(x, training=training) for _ in range(2))
        assert np.any(one != other) == random


def test_the_layer_is_a_residual_around_the_factorization():
    layer, x = _burger(draw="never", train_steps=2), features(*SHAPE)
    bases = layer.bases / np.linalg.norm(layer.bases, axis=0)
    for training, steps in ((True, 2), (False, 7)):
        inside = tf.nn.relu(layer.before(x))
        flat = np.reshape(inside, [2, 12, 8])
        y = np.reshape([_slow(sample, bases, steps) for sample in flat], SHAPE)
        expected = tf.nn.relu(x + layer.after(tf.constant(y, tf.float32)))
        actual = layer(x, training=training)
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4)


def test_unknown_draw_is_named():
    with pytest.raises(ValueError, match="training, always, never; got 'no'"):
        FactorizationOptions(draw="no")


@pytest.mark.golden
def test_golden_factorization():
    arrays = load_golden("segnext_tiny_train.npz").arrays

    def pixels(name):  # [b, d, h, w] -> [b, n, d]
        x = arrays[f"nmf_unit_{name}"]
        return tf.constant(x.reshape(*x.shape[:2], -1).transpose(0, 2, 1))

    x, start = pixels("x"), tf.constant(arrays["nmf_unit_bases"])
    coefficients, bases = tf.nn.softmax(tf.matmul(x, start)), start
    _near(coefficients, arrays["nmf_unit_coef0"])
    for step in range(1, 8):
        coefficients = hamburger.update_coefficients(x, coefficients, bases)
        bases = hamburger.update_bases(x, coefficients, bases)
        if step in (1, 6, 7):
            _near(coefficients, arrays[f"nmf_unit_coef_after{step}"])
            _near(bases, arrays[f"nmf_unit_bases_after{step}"])
    for case, steps in (("eval", 7), ("train", 6)):
        for name, one_step in (("full", False), ("onestep", True)):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = hamburger.factorize(x, start, steps, one_step)
            _near(y, pixels(f"{case}_out"))
            gradient = tape.gradient(y, x, output_gradients=pixels("cotangent"))
            _near(gradient, pixels(f"{case}_grad_{name}"), 1e-5)


def _near(actual, expected, tolerance=2e-6):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)
