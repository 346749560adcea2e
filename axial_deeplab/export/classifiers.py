"""SavedModels of image classifiers."""

import os
import pathlib

import tensorflow as tf
import tf_keras

from axial_deeplab.export.image_checks import checked_images
from axial_deeplab.export.model_card import CARD_FILE
from axial_deeplab.export.options import ExportOptions
from axial_deeplab.export.saved_model import (
    check_replaceable,
    write_saved_model,
)
from axial_deeplab.layers.folded_weights import fold_model, folded_weights
from axial_deeplab.version import __version__

CLASS, PROBABILITIES = "class", "probabilities"
_CARD = """# {name}

Image classification into {num_classes} classes. {parameters:,} weights.

`serving_default` takes `images`, uint8 [B, H, W, 3] RGB of any size up to
{max_pixels:,} pixels, and returns `class`, int32 [B], and `probabilities`,
float32 [B, K]. Made with axial_deeplab {version}.
"""


def export_classifier(
    model: tf_keras.Model,
    directory: str | os.PathLike,
    name: str,
    max_pixels: int = ExportOptions().max_pixels,
) -> pathlib.Path:
    """Saves a model whose answer is a class for each image.

    The signature "serving_default" takes uint8 images [B, H, W, 3] and returns
    "class" [B] and "probabilities" [B, K]. The folder appears complete or not
    at all; a SavedModel that is there is replaced.

    Args:
      model: images to logits [B, K].
      directory: where to; a new or empty folder, or a SavedModel.
      name: of the model, for its card.
      max_pixels: larger images are refused.

    Raises:
      FileExistsError: `directory` holds something else than a SavedModel.
    """
    directory = pathlib.Path(directory)
    check_replaceable(directory)
    # It keeps the folded weights alive, which its graph does not.
    function = _predict_function(model, max_pixels)
    predict = function.get_concrete_function()
    root = tf.train.Checkpoint()
    root.weights = list(predict.graph.variables)
    card = _CARD.format(
        name=name,
        num_classes=predict.structured_outputs[PROBABILITIES].shape[-1],
        parameters=model.count_params(),
        max_pixels=max_pixels,
        version=__version__,
    )
    signatures = {"serving_default": predict}
    write_saved_model(root, signatures, {CARD_FILE: card}, directory)
    return directory


def _predict_function(
    model: tf_keras.Model, max_pixels: int
) -> tf.types.experimental.PolymorphicFunction:
    """Norms of attention are folded into weights, as they are now."""
    model(tf.zeros([1, 33, 33, 3]), training=False)
    folded = fold_model(model)

    def predict(images: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.cast(checked_images(images, max_pixels), tf.float32)
        with folded_weights(folded):
            logits = model(images, training=False)
        return {
            CLASS: tf.argmax(logits, -1, tf.int32),
            PROBABILITIES: tf.nn.softmax(logits),
        }

    spec = tf.TensorSpec([None] * 4, tf.uint8, name="images")
    return tf.function(predict, [spec], autograph=False)
