"""Exported backbones inside a user's own tf_keras models."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras

from axial_deeplab.export import (
    ExportOptions,
    ModelCard,
    export_saved_model,
    load,
)
from tests.export.toy import TOY_DATASET, TOY_SETTINGS, ToyPanopticModel
from tests.models.tiny_models import assert_near, images, settle, tiny_panoptic

_DECAY = 1e-3
# A number added to all logits of a softmax moves nothing.
_WITHOUT_EFFECT = "similarity_norm/beta"


class ToyBackbone(tf_keras.Model):
    """Two levels of a convolution with weight decay and a batch norm."""

    def __init__(self):
        super().__init__(autocast=False)
        decay = tf_keras.regularizers.L2(_DECAY)
        self.parts = [
            (
                tf_keras.layers.Conv2D(
                    *(filters, 3, 2, "same"),
                    use_bias=False,
                    kernel_regularizer=decay,
                ),
                tf_keras.layers.BatchNormalization(),
            )
            for filters in (4, 6)
        ]

    def call(self, images, training=False):
        x, levels = tf.cast(images, tf.float32) / 127.5 - 1, {}
        for level, (conv, norm) in zip("23", self.parts, strict=True):
            x = tf.nn.relu(norm(conv(x), training=training))
            levels[level] = x
        return levels


class ToyModel(ToyPanopticModel):
    """The toy with a backbone, which its heads do not need."""

    def __init__(self):
        super().__init__()
        self.backbone = ToyBackbone()
        self.backbone(tf.zeros([1, 8, 8, 3]))


@pytest.fixture(scope="module")
def model():
    return ToyModel()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reuse") / "model"
    card = ModelCard("tiny", {"PQ": 12.5}, "CC0", "Made by a *test*.")
    return export_saved_model(
        model, TOY_DATASET, TOY_SETTINGS, folder, card=card
    )


def _floats(height, width):
    return tf.cast(images(height, width), tf.float32)


def test_features_are_those_of_the_backbone(model, folder):
    x = _floats(33, 40)
    expected = {
        f"level_{name}": value for name, value in model.backbone(x).items()
    }
    expected["pooled"] = tf.reduce_mean(expected["level_3"], axis=[1, 2])
    module = load(folder).module
    served = module.signatures["features"](images=x)
    for found in (served, module(x), hub.load(str(folder))(x, training=False)):
        assert set(found) == set(expected)
        for name, value in expected.items():
            assert_near(found[name], value, name, relative=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="NaN"):
        module.signatures["features"](images=x * float("nan"))


def test_weights_and_losses_are_there(model, folder):
    layer = hub.KerasLayer(str(folder), trainable=True)
    backbone = model.backbone
    shapes = [weight.shape for weight in layer.trainable_weights]
    assert shapes == [weight.shape for weight in backbone.trainable_weights]
    assert len(layer.weights) == len(backbone.weights) == 10
    np.testing.assert_allclose(layer.losses, backbone.losses, rtol=1e-5)
    assert len(layer.losses) == 2 and min(layer.losses) > 0


def _own_model(folder):
    layer = hub.KerasLayer(str(folder), trainable=True, output_key="pooled")
    inputs = tf_keras.Input([None, None, 3])
    return tf_keras.Model(inputs, tf_keras.layers.Dense(4)(layer(inputs)))


def _assert_it_trains(own, without_effect="nothing"):
    """Gradients reach all weights, and statistics follow `training`."""
    x, y = _floats(24, 31), tf.constant([1, 3])
    before = [weight.numpy() for weight in own.weights]
    with tf.GradientTape() as tape:
        loss = tf_keras.losses.sparse_categorical_crossentropy(
            y, own(x, training=True), from_logits=True
        )
    gradients = tape.gradient(loss, own.trainable_weights)
    still = [
        weight.name
        for weight, gradient in zip(
            own.trainable_weights, gradients, strict=True
        )
        if gradient is None or not np.any(tf.convert_to_tensor(gradient))
    ]
    assert not [name for name in still if without_effect not in name]
    for weight, old in zip(own.weights, before, strict=True):
        has_moved = not np.array_equal(weight, old)
        assert has_moved == ("moving" in weight.name), weight.name
    after = [weight.numpy() for weight in own.weights]
    own(x, training=False)
    for weight, old in zip(own.weights, after, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_fine_tuning_moves_weights_and_statistics(folder):
    own = _own_model(folder)
    _assert_it_trains(own)
    own.compile("sgd", tf_keras.losses.SparseCategoricalCrossentropy(True))
    before = own.layers[1].trainable_weights[0].numpy()
    own.fit(_floats(17, 20), tf.constant([0, 2]), verbose=0)
    assert not np.array_equal(own.layers[1].trainable_weights[0], before)


@pytest.mark.large
def test_attention_is_trained_as_well(tmp_path):
    model = settle(tiny_panoptic(num_classes=3))
    folder = tmp_path / "model"
    export_saved_model(model, TOY_DATASET, TOY_SETTINGS, folder)
    x = _floats(33, 40)
    found = load(folder).module.signatures["features"](images=x)
    for name, value in model.backbone(x).items():
        assert_near(found[f"level_{name}"], value, name)
    _assert_it_trains(_own_model(folder), _WITHOUT_EFFECT)


def test_card_says_what_it_is(folder):
    card = (folder / "README.md").read_text()
    for words in (
        "# tiny",
        "Made by a *test*.",
        "| 2 | 9 | dog | thing |",
        "PQ: 12.5",
        "Licence: CC0",
        "any size",
        "| features |",
        "hub.KerasLayer",
        tf.__version__,
    ):
        assert words in card, words
    assert "semantic_probabilities" not in card
    export = load(folder)
    assert export.card == card and export.metadata.dataset == TOY_DATASET


def test_fixed_size_and_halves_have_features_to_look_at_only(model, tmp_path):
    options = ExportOptions(weights_type="float16", size_px=(24, 31))
    folder = tmp_path / "m"
    export_saved_model(model, TOY_DATASET, TOY_SETTINGS, folder, options)
    export = load(folder)
    assert not callable(export.module)
    assert "hub.KerasLayer" not in export.card and "24 x 31" in export.card
    x = _floats(24, 31)
    found = export.module.signatures["features"](images=x)
    assert_near(found["level_3"], model.backbone(x)["3"], relative=1e-2)
    with pytest.raises(ValueError, match="arrays of one size"):
        export.predict_encoded([b""])
