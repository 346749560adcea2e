"""Objects of Keras 3 beside those of tf_keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.callbacks import PanopticQualityCallback
from axial_deeplab.layers.keras_objects import refuse_keras_3
from axial_deeplab.losses import panoptic_losses
from axial_deeplab.models.image_classifier import ImageClassifier
from axial_deeplab.optimization import Lookahead, RectifiedAdam
from tests.export.toy import TOY_DATASET
from tests.models.tiny_models import tiny_panoptic

_ERROR = r"`{}` got \w+ of Keras 3 \(.*\).*`import tf_keras`"


class Watch(keras.callbacks.Callback):
    """Someone's own."""


@pytest.fixture(scope="module")
def model():
    return tiny_panoptic()


@pytest.mark.parametrize(
    "name, value",
    [
        ("optimizer", keras.optimizers.Adam()),
        ("loss", {"semantic_logits": keras.losses.MeanSquaredError()}),
        ("loss", keras.losses.mean_squared_error),
        ("metrics", [[keras.metrics.MeanIoU(3)], []]),
        ("weighted_metrics", {"semantic_logits": keras.metrics.Mean}),
    ],
)
def test_compile_refuses(model, name, value):
    given = {"loss": panoptic_losses(), name: value}
    with pytest.raises(TypeError, match=_ERROR.format(name)):
        model.compile(**given)


def test_a_positional_optimizer_is_named(model):
    with pytest.raises(TypeError, match=_ERROR.format("optimizer")):
        model.compile(keras.optimizers.Adam())


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_callbacks_are_refused_before_anything_runs(model, method):
    images = np.zeros((1, 8, 8, 3), np.uint8)
    with pytest.raises(TypeError, match=_ERROR.format("callbacks")):
        getattr(model, method)(images, callbacks=[Watch()])


def test_layers_refuse_layers(model):
    with pytest.raises(TypeError, match=_ERROR.format("backbone")):
        ImageClassifier(keras.Sequential(), 3)
    with pytest.raises(TypeError, match=_ERROR.format("heads")):
        heads = model.heads | {"center_heatmap": keras.layers.Conv2D(1, 1)}
        type(model)(model.backbone, model.decoder, heads=heads)


def test_our_callback_refuses_a_model():
    data = tf.data.Dataset.from_tensors(
        (tf.zeros([1, 8, 8, 3]), {"panoptic": tf.zeros([1, 8, 8], tf.int32)})
    )
    callback = PanopticQualityCallback(data, TOY_DATASET)
    with pytest.raises(TypeError, match=_ERROR.format("model")):
        callback.set_model(keras.Sequential())


def test_the_optimizers_refuse():
    with pytest.raises(TypeError, match="Keras 3"):
        Lookahead(keras.optimizers.Adam())
    with pytest.raises(TypeError, match="Keras 3"):
        RectifiedAdam(keras.optimizers.schedules.CosineDecay(0.1, 5))


def test_what_is_no_keras_3_passes():
    refuse_keras_3(
        optimizer=tf_keras.optimizers.Adam(),
        callbacks=[tf_keras.callbacks.History(), None],
        loss={"a": "mse", "b": np.zeros(3), "c": print},
    )


def test_a_compiled_model_is_compiled_again_when_loaded(tmp_path):
    """`compile` is ours, and Keras leaves the own ones of models alone."""
    model = tiny_panoptic()
    model.build((None, None, None, 3))
    model.compile(
        Lookahead(RectifiedAdam(0.1)), loss=panoptic_losses(), metrics=[]
    )
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    loaded = tf_keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer, Lookahead)
    assert set(loaded.loss) == set(model.loss)
    assert len(loaded.optimizer.variables) == len(model.optimizer.variables)
