"""The one frame of all stage-wise backbones: a stem and levels of blocks."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import register, without_autograph
from axial_deeplab.layers.image_model import ImageModel


@register
class Backbone(ImageModel, tf_keras.Model):
    """Images to {level: feature}.

    Input [B, H, W, 3], values 0..255, uint8 or float, any height and width.
    Output: a dictionary with one feature map per level; level "2" has stride
    4, "3" stride 8, "4" 16 and "5" 32, each at most the output stride the
    blocks were planned with. All maps come after a ReLU.

    Args:
      stem: layer from normalised images to features.
      levels: blocks by level, called in order.
    """

    def __init__(
        self,
        stem: tf_keras.layers.Layer,
        levels: dict[str, list[tf_keras.layers.Layer]],
        **kwargs,
    ):
        # Images keep their type until `normalize_images` has seen them.
        super().__init__(autocast=False, **kwargs)
        self.stem = stem
        self.levels = {name: list(blocks) for name, blocks in levels.items()}

    @without_autograph
    def call(
        self, images: tf.Tensor, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """[B, H, W, 3] -> {level: [B, H', W', C]}."""
        x = normalize_images(images, self.compute_dtype)
        x = self.stem(x, training=training)
        endpoints = {}
        for level, blocks in self.levels.items():
            for block in blocks:
                x = block(x, training=training)
            endpoints[level] = x
        return endpoints


def normalize_images(images: tf.Tensor, dtype: str) -> tf.Tensor:
    """[B, H, W, 3] of 0..255 to -1..1 in `dtype`.

    Raises:
      ValueError: if rank, channels or a static side do not fit.
    """
    shape = images.shape
    if shape.rank != 4 or shape[3] != 3 or 0 in shape[1:3]:
        raise ValueError(
            "Images must be [batch, height, width, 3] with at least one pixel "
            f"and values 0..255; got shape {shape}."
        )
    return tf.cast(tf.cast(images, tf.float32) / 127.5 - 1.0, dtype)
