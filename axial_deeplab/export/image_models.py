"""SavedModels of classifiers and of semantic models."""

import dataclasses
import json
import os
import pathlib

import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.data.dataset_specs import DatasetSpec
from axial_deeplab.export.image_checks import checked_images
from axial_deeplab.export.metadata import FILE_NAME
from axial_deeplab.export.model_card import CARD_FILE
from axial_deeplab.export.options import ExportOptions
from axial_deeplab.export.saved_model import (
    check_replaceable,
    write_saved_model,
)
from axial_deeplab.layers.folded_weights import fold_model, folded_weights
from axial_deeplab.version import __version__

CLASS, PROBABILITIES = "class", "probabilities"
_FORMAT = 1
_CARD = """# {name}

{task} into {num_classes} classes{of_dataset}. {parameters:,} weights.

`serving_default` takes `images`, uint8 [B, H, W, 3] RGB of any size up to
{max_pixels:,} pixels, and returns {returned}.
Made with axial_deeplab {version}.
"""
_RETURNED = {
    True: f"`{keys.SEMANTIC}`, int32 [B, H, W]",
    False: f"`{CLASS}`, int32 [B], and `{PROBABILITIES}`, float32 [B, K]",
}


def export_image_model(
    model: tf_keras.Model,
    directory: str | os.PathLike,
    name: str,
    dataset: DatasetSpec | None = None,
    max_pixels: int = ExportOptions().max_pixels,
) -> pathlib.Path:
    """Saves a model whose answer is a class for each image, or each pixel.

    The signature "serving_default" takes uint8 images [B, H, W, 3]; that of a
    classifier returns "class" [B] and "probabilities" [B, K], that of a
    semantic model "semantic" [B, H, W]. The folder appears complete or not at
    all; a SavedModel that is there is replaced.

    Args:
      model: images to logits, or to a dictionary with the semantic ones.
      directory: where to; a new or empty folder, or a SavedModel.
      name: of the model, for its card.
      dataset: class table, written to `assets/dataset.json`.
      max_pixels: larger images are refused.

    Raises:
      ValueError: the data set has another number of classes.
      FileExistsError: `directory` holds something else than a SavedModel.
    """
    directory = pathlib.Path(directory)
    check_replaceable(directory)
    outputs = model(tf.zeros([1, 33, 33, 3]), training=False)
    semantic = isinstance(outputs, dict)
    logits = outputs[keys.SEMANTIC_LOGITS] if semantic else outputs
    num_classes = logits.shape[-1]
    if dataset is not None and dataset.num_classes != num_classes:
        raise ValueError(
            f"The model tells {num_classes} classes apart, but the data set "
            f"{dataset.name!r} has {dataset.num_classes}."
        )
    root = tf.train.Checkpoint()
    predict, root.weights = _predict_function(model, semantic, max_pixels)
    card = _CARD.format(
        name=name,
        task="Semantic segmentation" if semantic else "Image classification",
        num_classes=num_classes,
        of_dataset=f" of `{dataset.name}`" if dataset else "",
        parameters=model.count_params(),
        max_pixels=max_pixels,
        returned=_RETURNED[semantic],
        version=__version__,
    )
    described = {"format": _FORMAT, "dataset": dataset}
    if dataset is not None:
        described["dataset"] = dataclasses.asdict(dataset)
    contents = {FILE_NAME: json.dumps(described, indent=1), CARD_FILE: card}
    write_saved_model(root, {"serving_default": predict}, contents, directory)
    return directory


def _predict_function(
    model: tf_keras.Model, semantic: bool, max_pixels: int
) -> tuple[tf.types.experimental.ConcreteFunction, list[tf.Variable]]:
    """What is traced, and the weights that it uses.

    Norms of attention are folded into them, as they are now.
    """
    folded = fold_model(model)

    def predict(images: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.cast(checked_images(images, max_pixels), tf.float32)
        with folded_weights(folded):
            outputs = model(images, training=False)
        if semantic:
            logits = outputs[keys.SEMANTIC_LOGITS]
            return {keys.SEMANTIC: tf.argmax(logits, -1, tf.int32)}
        return {
            CLASS: tf.argmax(outputs, -1, tf.int32),
            PROBABILITIES: tf.nn.softmax(outputs),
        }

    spec = tf.TensorSpec([None] * 4, tf.uint8, name="images")
    function = tf.function(predict, [spec], autograph=False)
    traced = function.get_concrete_function()
    # While `folded` lives: a graph does not keep its variables.
    return traced, list(traced.graph.variables)
