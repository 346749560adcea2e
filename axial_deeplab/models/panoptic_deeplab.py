"""Panoptic-DeepLab's frame: backbone, dual decoder, three heads.

Axial-DeepLab (arXiv:2003.07853, section 3.4) is this model around an
Axial-ResNet.
"""

import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.layers.configurable import register, without_autograph
from axial_deeplab.layers.convolution import resize_to
from axial_deeplab.layers.image_model import ImageModel
from axial_deeplab.models.heads import PredictionHead

_BRANCH_OF_HEAD = {
    keys.SEMANTIC_LOGITS: "semantic",
    keys.CENTER_HEATMAP: "instance",
    keys.CENTER_OFFSET: "instance",
}


@register
class PanopticDeepLab(ImageModel, tf_keras.Model):
    """Semantic logits, instance centers and offsets of images of any size.

    Input [B, H, W, 3], values 0..255. Output, at the size of the input:
    {"semantic_logits": [B, H, W, K], "center_heatmap": [B, H, W, 1],
    "center_offset": [B, H, W, 2]}; offsets are (dy, dx) in pixels from a pixel
    to the center of its instance.

    Args:
      backbone: images to {level: feature}.
      decoder: features to {"semantic": map, "instance": map}.
      heads: `PredictionHead` by name of the output.
    """

    def __init__(
        self,
        backbone: tf_keras.Model,
        decoder: tf_keras.layers.Layer,
        heads: dict[str, PredictionHead],
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        if set(heads) != set(_BRANCH_OF_HEAD):
            raise ValueError(
                f"`heads` must have the keys {sorted(_BRANCH_OF_HEAD)}; got "
                f"{sorted(heads)}."
            )
        self.backbone, self.decoder, self.heads = backbone, decoder, dict(heads)

    @property
    def checkpoint_items(self) -> dict[str, tf.Module]:
        """Parts that a checkpoint may restore one by one."""
        return {"backbone": self.backbone, "decoder": self.decoder}

    @without_autograph
    def call(
        self, images: tf.Tensor, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """[B, H, W, 3] -> {name: [B, H, W, channels]}."""
        outputs = self.coarse_maps(images, training)
        # The largest maps come last, when little else is alive.
        with tf.control_dependencies(list(outputs.values())):
            size = tf.identity(tf.shape(images)[1:3])
        return {
            name: resize_prediction(name, value, size, images.shape[1:3])
            for name, value in outputs.items()
        }

    def coarse_maps(
        self, images: tf.Tensor, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """The outputs before they are resized: [B, h, w, channels].

        For images whose many classes would not fit the memory in full size.
        """
        features = self.backbone(images, training=training)
        decoded = self.decoder(features, training=training)
        return {
            name: head(decoded[_BRANCH_OF_HEAD[name]], training=training)
            for name, head in self.heads.items()
        }


def resize_prediction(
    name: str,
    value: tf.Tensor,
    size: tf.Tensor,
    static_size: tf.TensorShape | None = None,
) -> tf.Tensor:
    """Resizes one output; offsets are lengths and grow with the map.

    Args:
      name: key of the output.
      value: [B, h, w, C] float32.
      size: [2], new height and width.
      static_size: the same where it is known.
    """
    resized = resize_to(value, size)
    if name == keys.CENTER_OFFSET:
        source = tf.maximum(tf.shape(value)[1:3] - 1, 1)
        resized *= tf.cast(size - 1, tf.float32) / tf.cast(source, tf.float32)
    if static_size is not None:
        resized.set_shape([value.shape[0], *static_size, value.shape[3]])
    return resized
