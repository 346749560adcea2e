"""Prediction heads."""

import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.convolution import SeparableConvNormAct
from axial_deeplab.layers.normalization import NormOptions


@register
class PredictionHead(Configurable, tf_keras.layers.Layer):
    """5x5 separable convolution, then a 1x1 convolution with bias.

    Input [B, H, W, C], output [B, H, W, channels] in float32
    (arXiv:1911.10194, section 3.2).

    Args:
      channels: output channels.
      filters: channels in between.
      norm: constants of the batch norms.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        norm: NormOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels, self.filters = channels, filters
        self.norm = norm or NormOptions()
        self.separable = SeparableConvNormAct(
            filters, norm=self.norm, name="separable"
        )
        self.project = tf_keras.layers.Conv2D(
            channels,
            1,
            kernel_initializer=tf_keras.initializers.TruncatedNormal(
                stddev=0.01
            ),
            name="project",
        )

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, channels]."""
        x = self.project(self.separable(x, training=training))
        return tf.cast(x, tf.float32)


@register
class SemanticHead(Configurable, tf_keras.layers.Layer):
    """Dropout of whole channels, then a 1x1 convolution with bias.

    Input [B, H, W, C], output [B, H, W, channels] in float32
    (arXiv:2209.08575, public code).

    Args:
      channels: output channels.
      dropout: rate in training.
    """

    def __init__(self, channels: int, dropout: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.dropout = channels, dropout
        self.drop = tf_keras.layers.SpatialDropout2D(dropout, name="drop")
        self.project = tf_keras.layers.Conv2D(
            channels,
            1,
            kernel_initializer=tf_keras.initializers.RandomNormal(stddev=0.01),
            name="project",
        )

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, channels]."""
        x = self.project(self.drop(x, training=training))
        return tf.cast(x, tf.float32)


def panoptic_heads(
    num_classes: int,
    semantic_filters: int = 256,
    norm: NormOptions | None = None,
) -> dict[str, PredictionHead]:
    """The three heads, by name of their output."""
    sizes = {
        keys.SEMANTIC_LOGITS: (num_classes, semantic_filters),
        keys.CENTER_HEATMAP: (1, 32),
        keys.CENTER_OFFSET: (2, 32),
    }
    return {
        name: PredictionHead(channels, filters, norm, name=f"{name}_head")
        for name, (channels, filters) in sizes.items()
    }
