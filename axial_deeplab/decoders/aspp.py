"""Atrous spatial pyramid pooling (arXiv:1706.05587, section 3.3)."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.convolution import (
    ConvNormAct,
    SeparableConvNormAct,
    resize_to,
)
from axial_deeplab.layers.normalization import NormOptions

# Atrous rates by output stride.
ASPP_RATES = {32: (3, 6, 9), 16: (6, 12, 18), 8: (12, 24, 36)}


@register
class ASPP(Configurable, tf_keras.layers.Layer):
    """Five parallel views of the map, concatenated and projected.

    Input [B, H, W, C], output [B, H, W, filters].

    Args:
      filters: channels of each branch and of the output.
      rates: atrous rates of the three 3x3 branches.
      separable: depthwise separable 3x3 branches (the reading that gives the
        parameter counts of arXiv:2003.07853, Table 6) instead of plain ones.
      pool_size: (height, width) of the average pool in features, at most that
        of the map; None pools the whole map. A fixed size keeps statistics as
        in training on crops.
      dropout: rate after the projection.
      norm: constants of the batch norms.
    """

    def __init__(
        self,
        filters: int = 256,
        rates: tuple[int, int, int] = ASPP_RATES[16],
        separable: bool = True,
        pool_size: tuple[int, int] | None = None,
        dropout: float = 0.1,
        norm: NormOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.rates = filters, tuple(rates)
        self.separable, self.pool_size = separable, pool_size
        self.dropout = dropout
        self.norm = norm or NormOptions()
        self.point = ConvNormAct(filters, norm=self.norm, name="point")
        self.atrous = [
            self._atrous_branch(rate, f"atrous_{i}")
            for i, rate in enumerate(self.rates)
        ]
        self.pooled = ConvNormAct(filters, norm=self.norm, name="pooled")
        self.project = ConvNormAct(filters, norm=self.norm, name="project")
        self.drop = tf_keras.layers.Dropout(dropout)

    def _atrous_branch(self, rate: int, name: str) -> tf_keras.layers.Layer:
        branch = SeparableConvNormAct if self.separable else ConvNormAct
        return branch(
            self.filters,
            kernel_size=3,
            dilation=rate,
            norm=self.norm,
            name=name,
        )

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, filters]."""
        branches = [self.point(x, training=training)]
        branches += [branch(x, training=training) for branch in self.atrous]
        pooled = self.pooled(self._pool(x), training=training)
        branches.append(resize_to(pooled, tf.shape(x)[1:3]))
        x = self.project(tf.concat(branches, axis=-1), training=training)
        return self.drop(x, training=training)

    def _pool(self, x: tf.Tensor) -> tf.Tensor:
        if self.pool_size is None:
            return tf.reduce_mean(x, axis=[1, 2], keepdims=True)
        # A map smaller than the window: zeros fill it up and do not count.
        size = tf.shape(x)[1:3]
        missing = tf.maximum(self.pool_size - size, 0)
        x = tf.pad(x, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]])
        pooled = tf.nn.avg_pool2d(x, self.pool_size, 1, padding="VALID")
        return pooled * tf.cast(
            tf.reduce_prod((size + missing) / size), pooled.dtype
        )
