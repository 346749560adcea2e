"""Loads what `saving_test.py` saved, in a process of its own.

Knows the package by its import alone: no classes, no custom objects. Takes
the folder of the files and writes `loaded.npz` there.
"""

import pathlib
import sys

import numpy as np
import tensorflow as tf
import tf_keras

import axial_deeplab  # noqa: F401  registers what the files name


def main(folder: pathlib.Path):
    """Writes outputs under "how the model was loaded/output"."""
    images = tf.constant(np.load(folder / "images.npy"))
    keras = tf_keras.models.load_model(folder / "model.keras")
    exported = tf.saved_model.load(str(folder / "saved_model"))
    outputs = {
        "keras": keras(images),
        "keras_training": keras(images, training=True),
        "saved_model": exported.signatures["serving_default"](images),
    }
    arrays = {
        f"{how}/{name}": value.numpy()
        for how, values in outputs.items()
        for name, value in values.items()
    }
    np.savez(folder / "loaded.npz", **arrays)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
