"""Semantic segmentation: backbone, decoder, one head."""

import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.layers.configurable import register, without_autograph
from axial_deeplab.layers.convolution import resize_half_pixel
from axial_deeplab.layers.image_model import ImageModel


@register
class SemanticSegmenter(ImageModel, tf_keras.Model):
    """Class logits of images of any size.

    Input [B, H, W, 3], values 0..255. Output, at the size of the input:
    {"semantic_logits": [B, H, W, K]}, float32, the bilinear resize of what the
    head returns.

    Args:
      backbone: images to {level: feature}.
      decoder: features to one map [B, h, w, C].
      head: map to logits [B, h, w, K].
    """

    def __init__(
        self,
        backbone: tf_keras.Model,
        decoder: tf_keras.layers.Layer,
        head: tf_keras.layers.Layer,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        self.backbone, self.decoder, self.head = backbone, decoder, head

    @property
    def checkpoint_items(self) -> dict[str, tf.Module]:
        """Parts that a checkpoint may restore one by one."""
        return {"backbone": self.backbone, "decoder": self.decoder}

    @without_autograph
    def call(
        self, images: tf.Tensor, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """[B, H, W, 3] -> {"semantic_logits": [B, H, W, K]}."""
        features = self.backbone(images, training=training)
        decoded = self.decoder(features, training=training)
        logits = self.head(decoded, training=training)
        resized = resize_half_pixel(logits, tf.shape(images)[1:3])
        resized.set_shape([None, *images.shape[1:3], logits.shape[3]])
        return {keys.SEMANTIC_LOGITS: resized}
