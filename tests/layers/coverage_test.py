"""No public layer or model escapes the shared check."""

import pytest
import tf_keras

from tests.layers.layer_case import check_layer
from tests.layers.layer_cases import LAYER_CASES, public_classes


def test_every_public_class_has_a_case():
    missing = set(public_classes()) - set(LAYER_CASES)
    assert not missing, "add to tests/layers/layer_cases.py"


@pytest.mark.parametrize("kind", public_classes(), ids=lambda c: c.__name__)
def test_every_public_class_is_registered(kind):
    name = f"axial_deeplab>{kind.__name__}"
    assert tf_keras.saving.get_registered_name(kind) == name
    assert tf_keras.saving.get_registered_object(name) is kind


@pytest.mark.parametrize("kind", LAYER_CASES, ids=lambda c: c.__name__)
def test_layer_contract(kind):
    layer, inputs, half_dtype = LAYER_CASES[kind]()
    assert any(type(part) is kind for part in (layer, *layer.submodules))
    check_layer(layer, inputs, half_dtype)
