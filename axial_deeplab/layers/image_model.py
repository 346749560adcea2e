"""What all models have in common: images of any size in."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable
from axial_deeplab.layers.keras_objects import refuse_keras_3


class ImageModel(Configurable):
    """Mixin for models that take images [B, H, W, 3] of any size.

    What belongs to Keras 3 among the arguments of `compile`, `fit`, `evaluate`
    and `predict` is a `TypeError`.
    """

    def build(self, input_shape: tf.TensorShape | tuple) -> None:
        """Creates all weights, which fit every size.

        One eager call of a small image: tracing a call of unknown size, as
        Keras would, takes four times as long.
        """
        with tf.init_scope():
            self.call(tf.zeros([1, 32, 32, 3]))
        # Without this a SavedModel would take the size of the first call only.
        self._set_save_spec(tf.TensorSpec([None, None, None, 3]))
        tf_keras.layers.Layer.build(self, input_shape)

    @functools.wraps(tf_keras.Model.compile)
    def compile(self, *args, **kwargs) -> None:
        refuse_keras_3(**_by_name(super().compile, args, kwargs))
        super().compile(*args, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model: Keras leaves that to own `compile`s."""
        self.compile(**tf_keras.saving.deserialize_keras_object(config))
        if isinstance(self.optimizer, tf_keras.optimizers.Optimizer):
            self.optimizer.build(self.trainable_variables)

    @functools.wraps(tf_keras.Model.fit)
    def fit(self, *args, **kwargs) -> tf_keras.callbacks.History:
        _check_callbacks(super().fit, args, kwargs)
        return super().fit(*args, **kwargs)

    @functools.wraps(tf_keras.Model.evaluate)
    def evaluate(self, *args, **kwargs) -> Any:
        _check_callbacks(super().evaluate, args, kwargs)
        return super().evaluate(*args, **kwargs)

    @functools.wraps(tf_keras.Model.predict)
    def predict(self, *args, **kwargs) -> Any:
        _check_callbacks(super().predict, args, kwargs)
        return super().predict(*args, **kwargs)


def _check_callbacks(method: Callable, args: tuple, kwargs: dict) -> None:
    callbacks = _by_name(method, args, kwargs).get("callbacks")
    refuse_keras_3(callbacks=callbacks)


def _by_name(method: Callable, args: tuple, kwargs: dict) -> dict[str, Any]:
    return inspect.signature(method).bind(*args, **kwargs).arguments
