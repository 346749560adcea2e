"""Criss-cross attention: every pixel looks along its row and its column."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.depthwise import he_fan_out


@register
class CrissCrossAttention(Configurable, tf_keras.layers.Layer):
    """x + gain * sum over a cross of softmax(q . k) v (arXiv:1811.11721).

    One softmax over the H + W - 1 pixels of row and column, no scaling.
    The gain starts at zero. Two of them in a row see the whole map. Input and
    output [B, H, W, C]; logits and softmax in float32.

    Args:
      reduction: of the depth of queries and keys, which is C / reduction.
    """

    def __init__(self, reduction: int = 8, **kwargs):
        super().__init__(**kwargs)
        self.reduction = reduction

    def build(self, input_shape) -> None:
        channels = input_shape[-1]
        depth = max(channels // self.reduction, 1)
        self.query, self.key, self.value = (
            tf_keras.layers.Conv2D(
                filters, 1, kernel_initializer=he_fan_out(), name=name
            )
            for name, filters in (
                ("query", depth),
                ("key", depth),
                ("value", channels),
            )
        )
        self.gain = self.add_weight("gain", (), initializer="zeros")
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        del training
        y = criss_cross(
            *(
                tf.cast(project(x), tf.float32)
                for project in (self.query, self.key, self.value)
            )
        )
        return x + self.gain * tf.cast(y, x.dtype)


def criss_cross(
    query: tf.Tensor, key: tf.Tensor, value: tf.Tensor
) -> tf.Tensor:
    """[b, h, w, d], [b, h, w, d], [b, h, w, c] -> [b, h, w, c].

    The pixel itself counts once, as part of its row.
    """
    column = tf.einsum("bhwd,bgwd->bhwg", query, key)
    height = tf.shape(query)[1]
    itself = tf.eye(height, dtype=tf.bool)[:, tf.newaxis]  # [h, 1, g]
    column = tf.where(itself, column.dtype.min, column)
    row = tf.einsum("bhwd,bhvd->bhwv", query, key)
    weights = tf.nn.softmax(tf.concat([column, row], axis=-1))
    of_column, of_row = weights[..., :height], weights[..., height:]
    return tf.einsum("bhwg,bgwc->bhwc", of_column, value) + tf.einsum(
        "bhwv,bhvc->bhwc", of_row, value
    )


@register
class CrissCrossContext(Configurable, tf_keras.layers.Layer):
    """Criss-cross passes in a row, each with its own weights.

    Input and output [B, H, W, C]. (The counts of arXiv:2209.08575, Table 8,
    need two passes that share nothing; the public code shares them.)

    Args:
      passes: how many; after two every pixel has seen all.
      reduction: see `CrissCrossAttention`.
    """

    def __init__(self, passes: int = 2, reduction: int = 8, **kwargs):
        super().__init__(**kwargs)
        self.passes, self.reduction = passes, reduction
        self.attention = [
            CrissCrossAttention(reduction, name=f"pass_{i}")
            for i in range(passes)
        ]

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        for attention in self.attention:
            x = attention(x, training=training)
        return x
