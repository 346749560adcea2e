import re

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab import create_model
from axial_deeplab.backbones.backbone import Backbone
from axial_deeplab.costs.charge import Charge
from axial_deeplab.costs.cost import Cost
from axial_deeplab.costs.dry_run import count_costs, create_dry_model
from axial_deeplab.costs.layer_costs import LEAVES
from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.layers.non_local import NonLocalBlock
from axial_deeplab.layers.normalization import BatchNorm
from tests.models.tiny_models import tiny_panoptic

SIZE = (33, 47)


class _Scale(tf_keras.layers.Layer):
    def build(self, input_shape):
        self.scale = self.add_weight("scale", (input_shape[-1],))

    def call(self, x):
        return x * self.scale


class _Product(tf_keras.layers.Layer):
    def call(self, x):
        return tf.while_loop(
            lambda i, y: i < 2,
            lambda i, y: (i + 1, tf.einsum("bhwc,bhwd->bhwd", x, y)),
            (0, x),
        )[1]


def _backbone(*layers):
    """A 1x1 convolution of 4 channels, and the layers behind it."""
    model = Backbone(ConvNormAct(4, name="stem"), {"2": list(layers)})
    model.build((None, None, None, 3))
    return model


@pytest.fixture(scope="module")
def panoptic():
    model = tiny_panoptic(aspp=True)
    model.build((None, None, None, 3))
    return model


def test_parameters_are_those_of_the_model(panoptic):
    cost = count_costs(panoptic, SIZE).total
    weights = panoptic.trainable_weights
    assert cost.count() == sum(int(np.prod(w.shape)) for w in weights)


def test_norms_count_in_the_backbone_alone(panoptic):
    total = count_costs(panoptic, SIZE).total.parameters
    backbone = count_costs(panoptic.backbone, SIZE).total.parameters
    assert backbone["norm"] == total["norm"] > 0
    assert backbone["decoder_norm"] == 0 < total["decoder_norm"]
    assert backbone["projection_norm"] == total["projection_norm"] > 0


def test_multiply_adds_of_a_convolution_follow_the_size():
    model = _backbone()
    assert count_costs(model, (5, 7)).total.multiply_adds == 5 * 7 * 3 * 4
    assert count_costs(model, (1, 2)).total.multiply_adds == 1 * 2 * 3 * 4


def test_convolution_to_classes_is_known(panoptic):
    cost = count_costs(panoptic, SIZE)
    # 8 channels to 5 classes at stride 4.
    assert cost.class_dependent.multiply_adds == 9 * 12 * 8 * 5
    assert cost.tally() == cost.total.tally() - 9 * 12 * 8 * 5
    backbone = count_costs(panoptic.backbone, SIZE)
    assert backbone.tally() == backbone.total.tally()


def test_parts_of_a_layer_are_charged_with_it():
    """They are built by the walk, where the layer is."""
    alone = count_costs(_backbone(), (5, 3)).total
    cost = count_costs(_backbone(NonLocalBlock(2)), (5, 3)).total
    added = 15 * 4 * 6 + 15 * 15 * (2 + 2) + 15 * 2 * 4
    assert cost.multiply_adds == alone.multiply_adds + added
    assert cost.count() == alone.count() + 4 * 6 + 2 * 4 + 2 * 4


def test_second_call_of_a_layer_has_no_parameters():
    layer = ConvNormAct(4, name="twice")
    once = count_costs(_backbone(layer), SIZE).total
    twice = count_costs(_backbone(layer, layer), SIZE).total
    stem = count_costs(_backbone(), SIZE).total
    assert twice.parameters == once.parameters
    each = once.multiply_adds - stem.multiply_adds
    assert twice.multiply_adds == stem.multiply_adds + 2 * each > 0


def test_nothing_is_computed(panoptic, monkeypatch):
    """The size would need terabytes."""
    monkeypatch.setattr(tf_keras.layers.Conv2D, "call", None)
    assert count_costs(panoptic, (10**5, 10**5)).total.multiply_adds > 1e12


def test_layers_compute_again_afterwards():
    layer = ConvNormAct(4, name="stem")
    model = Backbone(layer, {"2": []})
    model.build((None, None, None, 3))
    count_costs(model, SIZE)
    layer.batch_norm.beta.assign(tf.ones([4]))
    assert np.min(layer(tf.zeros([1, 2, 2, 3]))) == 1.0


def test_unknown_layer_with_weights_is_an_error():
    with pytest.raises(
        ValueError, match=r"scaling \(_Scale\).*layer_costs\.py"
    ):
        count_costs(_backbone(_Scale(name="scaling")), SIZE)


def test_layer_that_is_never_called_is_an_error():
    model = _backbone()
    model.forgotten = ConvNormAct(4, name="forgotten")
    model.forgotten(tf.zeros([1, 2, 2, 3]))
    with pytest.raises(ValueError, match=r"\(Conv2D\), which is never called"):
        count_costs(model, SIZE)


def test_multiplication_outside_of_known_layers_is_an_error():
    with pytest.raises(ValueError, match=r"Einsum.*layer_costs\.py"):
        count_costs(_backbone(_Product()), SIZE)


def test_entry_that_forgets_weights_is_an_error(monkeypatch):
    free = Charge(tf.TensorShape((1, 5, 7, 4)), Cost())
    monkeypatch.setitem(LEAVES, BatchNorm, lambda layer, shape: free)
    with pytest.raises(ValueError, match="12 parameters.*there are 20"):
        count_costs(_backbone(), (5, 7))


def test_failed_walk_leaves_layers_as_they_were():
    original = tf_keras.layers.Layer.__call__
    with pytest.raises(ValueError, match="Images must be"):
        count_costs(_backbone(), (0, 5))
    assert tf_keras.layers.Layer.__call__ is original


def test_dry_model_has_the_weights_of_the_model():
    dry = create_dry_model("axial_deeplab_xs", num_classes=7)
    assert not np.any(dry.backbone.stem.convolutions[0].conv.kernel)
    assert _weights(dry) == _weights(
        create_model("axial_deeplab_xs", num_classes=7)
    )


def _weights(model):
    """Without the numbers that Keras gives to names."""
    return [
        (re.sub(r"_\d+", "", weight.name), weight.shape, weight.trainable)
        for weight in model.weights
    ]
