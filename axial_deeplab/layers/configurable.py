"""Configuration that follows from the constructor's signature.

A layer here stores every constructor argument in an attribute of the same
name; its config is read back from those attributes. Arguments that are
themselves layers, frozen dataclasses or lists and dictionaries of them are
saved as nested objects.
"""

import dataclasses
import inspect
from typing import Any

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.keras_objects import refuse_keras_3

PACKAGE = "axial_deeplab"
# For `call` methods: their conditions are Python's, and AutoGraph, which looks
# for others, doubles the time of tracing.
without_autograph = tf.autograph.experimental.do_not_convert
register = tf_keras.saving.register_keras_serializable(PACKAGE)


class Options:
    """Base of frozen dataclasses that layers take as one argument."""

    def get_config(self) -> dict[str, Any]:
        """Field values by name."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]):
        """The inverse of `get_config`; options may hold options."""
        return cls(**{k: _deserialize(v) for k, v in config.items()})


class Configurable:
    """Mixin for layers and models: argument = attribute = config key.

    Raises:
      TypeError: an argument is, or holds, an object of Keras 3.
    """

    def __new__(cls, *args, **kwargs):
        named = dict(zip(_argument_names(cls), args, strict=False))
        refuse_keras_3(**named, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, ready for `from_config`."""
        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype_policy.name,
        }
        arguments = {
            name: _serialize(getattr(self, name))
            for name in _argument_names(type(self))
        }
        return config | arguments

    @classmethod
    def from_config(cls, config: dict[str, Any]):
        """Builds the layer and the parts nested in its config."""
        return cls(**{k: _deserialize(v) for k, v in config.items()})


def _argument_names(cls: type) -> list[str]:
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return [p.name for p in parameters if p.kind != p.VAR_KEYWORD]


def _serialize(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _serialize(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_serialize(item) for item in value]
    if isinstance(value, (tf_keras.layers.Layer, Options)):
        return tf_keras.saving.serialize_keras_object(value)
    return value


def _deserialize(value: Any) -> Any:
    if isinstance(value, list):
        return [_deserialize(item) for item in value]
    if isinstance(value, dict):
        if "class_name" in value and "config" in value:
            return tf_keras.saving.deserialize_keras_object(value)
        return {key: _deserialize(item) for key, item in value.items()}
    return value
