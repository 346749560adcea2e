"""One attention of a transformer: projection, heads, projection."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers import head_ops
from axial_deeplab.layers.axial_heads import AxialHeads
from axial_deeplab.layers.configurable import (
    Configurable,
    register,
    without_autograph,
)
from axial_deeplab.layers.window_heads import WindowHeads


@register
class AxialPass(Configurable, tf_keras.layers.Layer):
    """Multi-head attention along an axis, or within windows, no residual.

    Input [B, H, W, C], output [B, H, W, filters]. Passes that are given the
    same two projections share them.

    Call arguments:
      mask: bool, which keys take part; [B, H, W], or of an axis by query
        [B, H, W, L]. A query without keys gets zeros, not even a bias.

    Args:
      filters: depth of queries, keys, values and output.
      heads: what attends.
      qkv_projection: to [.., 3 * filters]; None: one of its own.
      output_projection: behind the heads; None: one of its own.
    """

    def __init__(
        self,
        filters: int,
        heads: AxialHeads | WindowHeads,
        qkv_projection: tf_keras.layers.Dense | None = None,
        output_projection: tf_keras.layers.Dense | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        head_ops.depth_of(3 * filters, heads.options.heads)
        self.filters, self.heads = filters, heads
        self.qkv_projection = qkv_projection or projection(
            3 * filters, "qkv_projection"
        )
        self.output_projection = output_projection or projection(
            filters, "output_projection"
        )

    @without_autograph
    def call(
        self,
        x: tf.Tensor,
        training: bool = False,
        mask: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, filters]."""
        qkv = self.qkv_projection(x)
        y = self.heads(qkv, training=training, mask=mask)
        return self.heads.silence(self.output_projection(y), mask)


def projection(filters: int, name: str) -> tf_keras.layers.Dense:
    """A dense layer as transformers begin with it."""
    return tf_keras.layers.Dense(
        filters,
        kernel_initializer=tf_keras.initializers.TruncatedNormal(stddev=0.02),
        name=name,
    )
