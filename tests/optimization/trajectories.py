"""Runs an optimizer along given gradients and compares the path."""

import numpy as np
import tensorflow as tf


def run(optimizer, weights, gradients, compiled=False) -> np.ndarray:
    """Weights [steps, ...] after each step from the initial `weights`."""
    variable = tf.Variable(weights, name="weights")
    optimizer.build([variable])

    @tf.function(jit_compile=compiled)
    def step(gradient):
        optimizer.apply_gradients([(gradient, variable)])

    path = []
    for gradient in gradients:
        step(tf.constant(gradient))
        path.append(variable.numpy())
    return np.array(path)


def assert_same_path(path, expected, start, tolerance, what=""):
    """Asserts an error of at most `tolerance` of the distance moved."""
    assert path.shape == expected.shape
    moved = np.abs(expected - start).max()
    assert moved > 0
    error = np.abs(path - expected).max() / moved
    assert error <= tolerance, f"{what}: {error:.2g} of the distance moved"
