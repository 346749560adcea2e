"""Models for LiteRT (TensorFlow Lite): one size, one image at a time."""

import dataclasses

import tensorflow as tf
import tf_keras

from axial_deeplab.export.options import ExportOptions
from axial_deeplab.export.panoptic_predictor import PanopticPredictor
from axial_deeplab.postprocess import PanopticSettings


def convert_to_lite(
    model: tf_keras.Model,
    settings: PanopticSettings,
    size_px: tuple[int, int],
    options: ExportOptions | None = None,
) -> bytes:
    """A LiteRT model of prediction and post-processing.

    Built-in operators only, float32. Its signature "serving_default" takes
    `images`, uint8 [1, height, width, 3], and returns what
    `PanopticPredictor.predict` does. The checks of the images are left out, as
    the size is fixed. Attention that works in several chunks does not convert:
    its loop stacks parts in a list of tensors (TensorListReserve) whose shape
    LiteRT wants to know. Raise `AttentionOptions(logits_bytes=...)` until one
    chunk holds all, as it does for small sizes.

    Args:
      model: see `PanopticPredictor`.
      settings: how segments are formed; `keep_k_centers` must be set.
      size_px: height and width of the images.
      options: scales and probabilities; weights are stored as float32.

    Raises:
      ValueError: an operator does not convert; with the converter's words.
    """
    options = dataclasses.replace(
        options or ExportOptions(),
        size_px=size_px,
        batch_size=1,
        weights_type="float32",
    )
    predictor = PanopticPredictor(model, settings, options)
    function = predictor.predict.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function], predictor
    )
    try:
        return converter.convert()
    except Exception as error:  # The converter raises a class of its own.
        text = f"{error}"
        raise ValueError(
            f"{model.name!r} at {size_px[0]}x{size_px[1]} cannot be "
            f"converted: {text[-500:]}"
        ) from error
