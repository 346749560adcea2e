"""Images in, panoptic segments out: what a panoptic export consists of."""

import tf_keras

from axial_deeplab import keys
from axial_deeplab.export.options import ExportOptions
from axial_deeplab.export.predictor import Maps, Predictor
from axial_deeplab.postprocess import (
    PanopticSettings,
    instance_lists,
    panoptic_prediction,
)

_HEADS = (keys.SEMANTIC_LOGITS, keys.CENTER_HEATMAP, keys.CENTER_OFFSET)
_MAPS = (keys.PANOPTIC, keys.SEMANTIC, keys.INSTANCE, keys.INSTANCE_SCORE)


class PanopticPredictor(Predictor):
    """A panoptic model with its post-processing; see `Predictor`.

    `predict(images)` returns maps [B, H, W]: "panoptic" (int32, class *
    label_divisor + instance), "semantic" (int32), "instance" (int32, 0 on
    stuff), "instance_score" (float32) and, if asked for,
    "semantic_probabilities" (float32 [B, H, W, K]); and, [B, N] by descending
    score, "instance_ids" (int32 panoptic ids, -1 in unused places),
    "instance_classes" (int32) and "instance_scores" (float32).

    Args:
      model: images to `keys.SEMANTIC_LOGITS`, `keys.CENTER_HEATMAP` and
        `keys.CENTER_OFFSET` at the size of the images.
      settings: how segments are formed.
      options: scales, weights, sizes and limits.

    Raises:
      ValueError: the model returns something else, or the options ask for
        windows.
    """

    _lists = (keys.INSTANCE_IDS, keys.INSTANCE_CLASSES, keys.INSTANCE_SCORES)

    def __init__(
        self,
        model: tf_keras.Model,
        settings: PanopticSettings,
        options: ExportOptions | None = None,
    ):
        if options and options.windows_px:
            raise ValueError(
                "`windows_px` is for semantic models: instances would end "
                "where windows do."
            )
        self.settings = settings
        super().__init__(model, _HEADS, options)

    def _returned(self, outputs: Maps) -> Maps:
        return panoptic_maps(outputs, self.settings)

    def _nothing(self) -> dict[str, int]:
        return {
            keys.PANOPTIC: self.settings.void_id,
            keys.SEMANTIC: self.settings.ignore_label,
        }


def panoptic_maps(outputs: Maps, settings: PanopticSettings) -> Maps:
    """What `PanopticPredictor.predict` returns, of averaged outputs."""
    probabilities = outputs[keys.SEMANTIC_PROBABILITIES]
    maps = panoptic_prediction(
        probabilities,
        outputs[keys.CENTER_HEATMAP],
        outputs[keys.CENTER_OFFSET],
        settings,
    )
    lists = instance_lists(maps, probabilities, settings)
    return {name: maps[name] for name in _MAPS} | lists
