import dataclasses
import inspect

import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, Options
from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.layers.normalization import NormOptions
from tests.layers.layer_cases import public_classes


@tf_keras.saving.register_keras_serializable("tests")
@dataclasses.dataclass(frozen=True)
class Paint(Options):
    colour: str = "red"
    coats: int = 1


@tf_keras.saving.register_keras_serializable("tests")
class House(Configurable, tf_keras.layers.Layer):
    """Every kind of argument that the mixin promises to save."""

    def __init__(self, rooms, garden, paint=None, size=(2, 3), **kwargs):
        super().__init__(**kwargs)
        self.rooms, self.garden = dict(rooms), list(garden)
        self.paint, self.size = paint or Paint(), tuple(size)


def _house():
    rooms = {"5": [ConvNormAct(4)], "3": [], "10": [ConvNormAct(6, 3)]}
    garden = [ConvNormAct(8, norm=NormOptions(0.5)), None]
    return House(rooms, garden, Paint("blue"), name="home", trainable=False)


def test_nested_parts_come_back():
    house = _house()
    rebuilt = House.from_config(house.get_config())
    assert rebuilt.get_config() == house.get_config()
    assert rebuilt.paint == Paint("blue")
    assert rebuilt.size == (2, 3)
    assert rebuilt.rooms["10"][0].kernel_size == 3
    assert rebuilt.garden[0].norm == NormOptions(0.5)
    assert rebuilt.garden[1] is None
    assert (rebuilt.name, rebuilt.trainable) == ("home", False)


def test_order_of_names_survives():
    """Levels are walked in the order in which they were given."""
    config = _house().get_config()
    assert list(House.from_config(config).rooms) == ["5", "3", "10"]


def test_config_holds_plain_values_only():
    def check(value):
        if isinstance(value, dict):
            value = [*value, *value.values()]
        if isinstance(value, (list, tuple)):
            for item in value:
                check(item)
        else:
            assert isinstance(value, (str, int, float, type(None))), value

    check(_house().get_config())


def test_options_are_values():
    paint = Paint("green", 2)
    assert Paint.from_config(paint.get_config()) == paint
    with pytest.raises(dataclasses.FrozenInstanceError):
        paint.coats = 3


def test_type_policy_comes_back():
    layer = ConvNormAct(4, dtype="mixed_bfloat16")
    rebuilt = ConvNormAct.from_config(layer.get_config())
    assert rebuilt.compute_dtype == tf.bfloat16
    assert rebuilt.variable_dtype == tf.float32


@pytest.mark.parametrize("kind", public_classes(), ids=lambda c: c.__name__)
def test_public_constructors_take_at_most_eight_typed_arguments(kind):
    parameters = list(inspect.signature(kind.__init__).parameters.values())
    own = [p for p in parameters[1:] if p.kind != p.VAR_KEYWORD]
    assert 1 <= len(own) <= 8
    assert all(p.annotation is not p.empty for p in own), own
    assert issubclass(kind, Configurable)
