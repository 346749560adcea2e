"""Seeded inputs of the layers' tests."""

import numpy as np
import tensorflow as tf


def features(*shape: int) -> tf.Tensor:
    """Seeded noise [B, H, W, C]."""
    rng = np.random.default_rng(3)
    return tf.constant(rng.normal(size=shape), tf.float32)


def images(*size: int) -> tf.Tensor:
    """Two seeded images of values 0..255."""
    rng = np.random.default_rng(3)
    return tf.constant(rng.uniform(0, 255, (2, *size, 3)), tf.float32)


def pyramid() -> dict[str, tf.Tensor]:
    """Levels with a size that halves, rounded up."""
    return {
        "5": features(2, 4, 5, 6),
        "3": features(2, 7, 9, 4),
        "2": features(2, 13, 17, 3),
    }
