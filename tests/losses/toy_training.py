"""A model of one layer and a data set that have the package's contract."""

import numpy as np
import tensorflow as tf
import tf_keras

from axial_deeplab import keys

BATCH, HEIGHT, WIDTH, CLASSES = 4, 6, 7, 5
IGNORE_LABEL = 255


def model(dtype: str = "float32") -> tf_keras.Model:
    """Three 1x1 convolutions with the outputs of a panoptic model."""
    tf_keras.utils.set_random_seed(1)
    images = tf_keras.Input([HEIGHT, WIDTH, 3])
    channels = {
        keys.SEMANTIC_LOGITS: CLASSES,
        keys.CENTER_HEATMAP: 1,
        keys.CENTER_OFFSET: 2,
    }
    outputs = {
        key: tf_keras.layers.Conv2D(count, 1, name=key, dtype=_policy(dtype))(
            images
        )
        for key, count in channels.items()
    }
    return tf_keras.Model(images, outputs)


def batch() -> tuple[np.ndarray, dict, dict]:
    """(images, targets, weights) with void pixels and empty weight maps."""
    rng = np.random.default_rng(2)
    pixels = (BATCH, HEIGHT, WIDTH)
    images = rng.normal(size=pixels + (3,)).astype(np.float32)
    labels = rng.integers(0, CLASSES, pixels).astype(np.int32)
    labels[:, 2, 1:4] = IGNORE_LABEL
    targets = {
        keys.SEMANTIC_LOGITS: labels,
        keys.CENTER_HEATMAP: rng.uniform(0, 1, pixels + (1,)),
        keys.CENTER_OFFSET: rng.normal(0, 9, pixels + (2,)),
    }
    weights = {
        keys.SEMANTIC_LOGITS: (labels != IGNORE_LABEL) * 1.0,
        keys.CENTER_HEATMAP: rng.integers(0, 2, pixels),
        keys.CENTER_OFFSET: rng.integers(0, 2, pixels),
    }
    weights[keys.SEMANTIC_LOGITS][:, 0, :2] = 3.0
    weights[keys.CENTER_OFFSET][0] = 0  # a scene without things
    return images, _floats(targets), _floats(weights)


def dataset() -> tf.data.Dataset:
    """The batch as a data set of one step."""
    return tf.data.Dataset.from_tensor_slices(batch()).batch(BATCH)


def _floats(maps: dict) -> dict:
    return {
        key: value if value.dtype == np.int32 else value.astype(np.float32)
        for key, value in maps.items()
    }


def _policy(dtype: str) -> tf_keras.mixed_precision.Policy:
    return tf_keras.mixed_precision.Policy(dtype)
