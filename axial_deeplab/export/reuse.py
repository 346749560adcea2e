"""An export as a part of other models: TF Hub's interface, and `load`.

https://www.tensorflow.org/hub/reusable_saved_models: the loaded object is
called with images and `training`, and has `variables`, `trainable_variables`
and `regularization_losses`; `hub.KerasLayer(path, trainable=True)` needs no
more.
"""

import dataclasses
import os
import pathlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from axial_deeplab.export.image_checks import checked_floats
from axial_deeplab.export.metadata import ExportMetadata, read_metadata
from axial_deeplab.export.model_card import CARD_FILE
from axial_deeplab.export.options import ExportOptions
from axial_deeplab.export.panoptic_predictor import panoptic_maps
from axial_deeplab.export.semantic_predictor import semantic_maps
from axial_deeplab.export.stored_weights import halve_model, halved_weights
from axial_deeplab.models.multi_scale import MultiScale

POOLED = "pooled"


@dataclasses.dataclass(frozen=True)
class Export:
    """An export in memory.

    Args:
      module: what `tf.saved_model.load` and `hub.load` return.
      metadata: classes and how segments are formed.
      card: text of its model card, Markdown.
    """

    module: Any
    metadata: ExportMetadata
    card: str

    def predict(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """uint8 [B, H, W, 3] to what `predict` of its predictor returns."""
        return self.module.signatures["serving_default"](images=images)

    def averaged(
        self, multi_scale: MultiScale
    ) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        """`predict` with other scales and mirror images than were exported."""
        heads = self.module.signatures["heads"]
        settings = self.metadata.postprocess

        @tf.function(
            input_signature=[tf.TensorSpec([None] * 3 + [3], tf.uint8)]
        )
        def predict(images: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = multi_scale.predict(
                lambda images: heads(images=images), tf.cast(images, tf.float32)
            )
            if settings is None:
                return semantic_maps(outputs)
            return panoptic_maps(outputs, settings)

        return predict

    def predict_encoded(self, image_bytes: list[bytes]) -> dict[str, tf.Tensor]:
        """Contents of JPEG and PNG files: `Predictor.predict_encoded`.

        Raises:
          ValueError: the export has one fixed size.
        """
        if "encoded" not in self.module.signatures:
            raise ValueError("This export takes arrays of one size only.")
        serve = self.module.signatures["encoded"]
        return serve(image_bytes=tf.constant(image_bytes))


def load(directory: str | os.PathLike) -> Export:
    """Loads what `export_saved_model` wrote.

    Raises:
      FileNotFoundError: there is no such SavedModel.
      ValueError: its metadata cannot be read.
    """
    metadata = read_metadata(directory)
    card = pathlib.Path(directory, CARD_FILE)
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    return Export(tf.saved_model.load(os.fspath(directory)), metadata, text)


class BackboneFunctions(tf.Module):
    """A backbone as functions of images, for an export.

    `call(images, training)` maps float32 [B, H, W, 3] in 0..255 to
    {"level_2": [B, H', W', C], ...}, one for each level of the backbone, and
    "pooled", the mean of the last one, [B, C]; all float32. `features(images)`
    is the same in inference, and refuses what is no image.

    Args:
      backbone: images to {level: feature}.
      options: weights, size and limits. `call` is None where the weights are
        halved.
    """

    def __init__(self, backbone: tf_keras.Model, options: ExportOptions):
        super().__init__()
        self.backbone = backbone
        copies = halve_model(backbone, options.weights_type)
        shape = [*options.image_shape[:3], 3]
        spec = tf.TensorSpec(shape, tf.float32, name="images")

        def compute(images: tf.Tensor, training: bool = False):
            with halved_weights(backbone, copies):
                levels = backbone(images, training=training)
            maps = {
                f"level_{name}": tf.cast(value, tf.float32)
                for name, value in levels.items()
            }
            last = maps[f"level_{max(levels)}"]
            return maps | {POOLED: tf.reduce_mean(last, axis=[1, 2])}

        compute = tf.function(compute)
        inference = compute.get_concrete_function(spec, training=False)
        self.call = None
        if not copies:
            compute.get_concrete_function(spec, training=True)
            self.call = compute
        images = tf.TensorSpec(options.image_shape, tf.float32, name="images")
        self.features = tf.function(
            lambda images: inference(
                checked_floats(images, options.max_pixels)
            ),
            [images],
        )
        graph = self.features.get_concrete_function().graph
        self.weights = list(graph.variables)

    def make_callable(self, root: tf.train.Checkpoint) -> None:
        """Gives the root of a SavedModel what TF Hub looks for."""
        root.__call__ = self.call
        root.variables = self.backbone.variables
        root.trainable_variables = self.backbone.trainable_variables
        root.regularization_losses = [
            tf.function(lambda index=index: self.backbone.losses[index], [])
            for index in range(len(self.backbone.losses))
        ]
