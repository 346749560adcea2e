"""The light Hamburger head of SegNeXt (arXiv:2209.08575, section 3.2)."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.convolution import resize_half_pixel
from axial_deeplab.layers.group_norm import ConvGroupNormAct


@register
class ContextDecoder(Configurable, tf_keras.layers.Layer):
    """Levels side by side, squeezed, seen as a whole, and aligned.

    All levels are resized to the first. Input {level: [B, H', W', C']}, output
    [B, H, W, filters] at the size of the first level.

    Args:
      filters: channels of all that follows the concatenation.
      context: layer that keeps the shape, such as a `Hamburger`.
      levels: names, the largest map first.
      groups: of the group norms.
    """

    def __init__(
        self,
        filters: int,
        context: tf_keras.layers.Layer,
        levels: tuple[str, ...] = ("3", "4", "5"),
        groups: int = 32,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.context = filters, context
        self.levels, self.groups = tuple(levels), groups
        self.squeeze = ConvGroupNormAct(filters, groups, name="squeeze")
        self.align = ConvGroupNormAct(filters, groups, name="align")

    def call(
        self, features: dict[str, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """{level: [B, H', W', C']} -> [B, H, W, filters]."""
        x = concat_levels([features[level] for level in self.levels])
        x = self.squeeze(x, training=training)
        x = self.context(x, training=training)
        return self.align(x, training=training)


def concat_levels(maps: list[tf.Tensor]) -> tf.Tensor:
    """[B, H', W', C'] each -> [B, H, W, sum of C'], the size of the first."""
    size = tf.shape(maps[0])[1:3]
    resized = [resize_half_pixel(x, size) for x in maps[1:]]
    return tf.concat([maps[0], *resized], axis=-1)
