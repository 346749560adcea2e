"""Images in, a class for each pixel out: what a semantic export consists of."""

import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.export.options import ExportOptions
from axial_deeplab.export.predictor import Maps, Predictor
from axial_deeplab.models.sliding_windows import SlidingWindows


class SemanticPredictor(Predictor):
    """A semantic model, in windows if the options say so; see `Predictor`.

    `predict(images)` returns "semantic", int32 [B, H, W], and, if asked for,
    "semantic_probabilities", float32 [B, H, W, K]: means over all scales and
    mirror images of the softmax of the logits, those of windows averaged.

    Args:
      model: images to `keys.SEMANTIC_LOGITS` at the size of the images.
      ignore_label: class of what is no image.
      options: scales, windows, weights, sizes and limits.

    Raises:
      ValueError: the model returns something else.
    """

    def __init__(
        self,
        model: tf_keras.Model,
        ignore_label: int,
        options: ExportOptions | None = None,
    ):
        self.ignore_label = ignore_label
        super().__init__(model, (keys.SEMANTIC_LOGITS,), options)

    def _averaged(self, images: tf.Tensor) -> Maps:
        run = self._run
        if self.options.windows_px:
            windows = SlidingWindows(self.num_classes, *self.options.windows_px)
            run = windows.around(run)
        return self.options.multi_scale.predict(run, images)

    def _returned(self, outputs: Maps) -> Maps:
        return semantic_maps(outputs)

    def _nothing(self) -> dict[str, int]:
        return {keys.SEMANTIC: self.ignore_label}


def semantic_maps(outputs: Maps) -> Maps:
    """What `SemanticPredictor.predict` returns, of averaged outputs."""
    probabilities = outputs[keys.SEMANTIC_PROBABILITIES]
    return {keys.SEMANTIC: tf.argmax(probabilities, -1, tf.int32)}
