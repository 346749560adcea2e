"""Weights of a model in half precision, for an export."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf
import tf_keras

Copies = dict[int, tf.Variable]


def halve_model(model: tf_keras.Model, dtype: str) -> Copies:
    """Copies of the weights that layers hold, by `id` of the weight.

    Args:
      model: built, computing in float32.
      dtype: "float16" or "bfloat16"; for "float32" there are no copies.

    Raises:
      ValueError: the model computes in another type.
    """
    if dtype == "float32":
        return {}
    for layer in _layers(model):
        if layer.compute_dtype != "float32":
            raise ValueError(
                "Only models that compute in float32 can be stored in "
                f"{dtype}; {layer.name!r} does not. Build the model without "
                "mixed precision and load its weights."
            )
    return {
        id(value): tf.Variable(tf.cast(value, dtype), trainable=False)
        for _, _, value in _held(model)
    }


@contextlib.contextmanager
def halved_weights(model: tf_keras.Model, copies: Copies) -> Iterator[None]:
    """While this lasts, layers read the copies of `halve_model` as float32.

    A function that is traced inside casts them whenever it runs.
    """
    held = [entry for entry in _held(model) if id(entry[2]) in copies]
    # Past `__setattr__`, which would track the tensors as weights.
    for layer, name, value in held:
        vars(layer)[name] = tf.cast(copies[id(value)], tf.float32)
    try:
        yield
    finally:
        for layer, name, value in held:
            vars(layer)[name] = value


def _layers(model: tf_keras.Model) -> list[tf_keras.layers.Layer]:
    modules = (model, *model.submodules)
    return [one for one in modules if isinstance(one, tf_keras.layers.Layer)]


def _held(
    model: tf_keras.Model,
) -> list[tuple[tf_keras.layers.Layer, str, tf.Variable]]:
    """Layer, attribute and value of each float32 weight."""
    return [
        (layer, name, value)
        for layer in _layers(model)
        for name, value in vars(layer).items()
        if isinstance(value, tf.Variable) and value.dtype == tf.float32
    ]
