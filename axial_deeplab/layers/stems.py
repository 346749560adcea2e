"""Convolutional stems: images to features of stride 4 (2 without a pool)."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.activations import gelu
from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.convolution import ConvNormAct, pad_symmetric
from axial_deeplab.layers.depthwise import he_fan_out
from axial_deeplab.layers.group_norm import ChannelNorm
from axial_deeplab.layers.normalization import BatchNorm, NormOptions


@register
class ConvStem(Configurable, tf_keras.layers.Layer):
    """Convolutions, the first of stride 2, then a 3x3 max pool of stride 2.

    Input [B, H, W, 3], output [B, ceil(H/4), ceil(W/4), C].

    Args:
      convolutions: layers called one after the other; in front of a pool
        they end in a ReLU.
      pooled: False leaves the pool out, and its stride.
    """

    def __init__(
        self,
        convolutions: list[tf_keras.layers.Layer],
        pooled: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.convolutions, self.pooled = list(convolutions), pooled
        self.pool = tf_keras.layers.MaxPool2D(3, strides=2, name="pool")

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, 3] -> [B, H', W', C]."""
        for convolution in self.convolutions:
            x = convolution(x, training=training)
        if not self.pooled:
            return x
        # Zeros pad like minus infinity here: nothing after a ReLU is lower.
        return self.pool(pad_symmetric(x, 3))


def imagenet_stem(width: float, norm: NormOptions | None = None) -> ConvStem:
    """7x7 convolution to 64 channels at every width.

    The multiply-adds the paper prints for narrow models (Table 10) need the
    unscaled 64.
    """
    del width
    return _one_convolution(64, 7, norm)


def scaled_imagenet_stem(
    width: float, norm: NormOptions | None = None
) -> ConvStem:
    """7x7 convolution to 64w channels."""
    return _one_convolution(round(64 * width), 7, norm)


def unpooled_imagenet_stem(
    width: float, norm: NormOptions | None = None
) -> ConvStem:
    """7x7 convolution to 64w channels, stride 2 in all."""
    return _one_convolution(round(64 * width), 7, norm, pooled=False)


def wide_stem(width: float, norm: NormOptions | None = None) -> ConvStem:
    """3x3 convolution to 64w channels, stride 2 in all."""
    return _one_convolution(round(64 * width), 3, norm, pooled=False)


def _one_convolution(
    filters: int,
    kernel_size: int,
    norm: NormOptions | None,
    pooled: bool = True,
) -> ConvStem:
    convolution = ConvNormAct(
        filters, kernel_size, stride=2, norm=norm, name="convolution"
    )
    return ConvStem([convolution], pooled, name="stem")


def deeplab_stem(width: float, norm: NormOptions | None = None) -> ConvStem:
    """Three 3x3 convolutions to 64w, 64w and 128w channels."""
    return ConvStem(_three_convolutions(width, norm), name="stem")


def unpooled_deeplab_stem(
    width: float, norm: NormOptions | None = None
) -> ConvStem:
    """The same, stride 2 in all."""
    convolutions = _three_convolutions(width, norm)
    return ConvStem(convolutions, pooled=False, name="stem")


def _three_convolutions(
    width: float, norm: NormOptions | None
) -> list[tf_keras.layers.Layer]:
    narrow, wide = round(64 * width), round(128 * width)
    return [
        ConvNormAct(filters, 3, stride, norm=norm, name=f"convolution_{i}")
        for i, (filters, stride) in enumerate(
            ((narrow, 2), (narrow, 1), (wide, 1))
        )
    ]


def xception_stem(width: float, norm: NormOptions | None = None) -> ConvStem:
    """Two 3x3 convolutions to 32w and 64w channels, stride 2 in all."""
    convolutions = [
        ConvNormAct(round(32 * width), 3, stride=2, norm=norm),
        ConvNormAct(round(64 * width), 3, norm=norm),
    ]
    return ConvStem(convolutions, pooled=False, name="stem")


@register
class PatchEmbedding(Configurable, tf_keras.layers.Layer):
    """3x3 convolution of stride 2 with bias, batch norm, optional GELU.

    Input [B, H, W, C], output [B, ceil(H/2), ceil(W/2), filters]; patches
    overlap (arXiv:2209.08575, section 3.1).

    Args:
      filters: output channels.
      activation: apply a GELU at the end.
      norm: constants of the batch norm.
    """

    def __init__(
        self,
        filters: int,
        activation: bool = False,
        norm: NormOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.activation = filters, activation
        self.norm = norm or NormOptions()
        self.conv = tf_keras.layers.Conv2D(
            filters,
            3,
            strides=2,
            kernel_initializer=he_fan_out(),
            name="conv",
        )
        self.batch_norm = BatchNorm(self.norm, name="batch_norm")

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H', W', filters]."""
        x = self.conv(pad_symmetric(x, 3))
        x = self.batch_norm(x, training=training)
        return gelu(x) if self.activation else x


def overlap_stem(filters: int, norm: NormOptions | None = None) -> ConvStem:
    """Two patch embeddings, the first half as wide: stride 4."""
    convolutions = [
        PatchEmbedding(
            filters // 2, activation=True, norm=norm, name="embedding_0"
        ),
        PatchEmbedding(filters, norm=norm, name="embedding_1"),
    ]
    return ConvStem(convolutions, pooled=False, name="stem")


@register
class TokenEmbedding(Configurable, tf_keras.layers.Layer):
    """3x3 convolution with bias, layer norm, optional GELU.

    Input [B, H, W, C], output [B, ceil(H/stride), ceil(W/stride), filters]:
    what stands in front of the blocks of an axial transformer.

    Args:
      filters: output channels.
      stride: 1 or 2.
      activation: apply a GELU at the end.
    """

    def __init__(
        self,
        filters: int,
        stride: int = 2,
        activation: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.stride = filters, stride
        self.activation = activation
        self.conv = tf_keras.layers.Conv2D(
            filters,
            3,
            strides=stride,
            kernel_initializer=he_fan_out(),
            name="conv",
        )
        self.channel_norm = ChannelNorm(name="channel_norm")

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H', W', filters]."""
        x = self.conv(pad_symmetric(x, 3))
        x = self.channel_norm(x, training=training)
        return gelu(x) if self.activation else x


def token_stem(filters: int) -> ConvStem:
    """Two token embeddings, the first half as wide: stride 4."""
    convolutions = [
        TokenEmbedding(filters // 2, activation=True, name="embedding_0"),
        TokenEmbedding(filters, name="embedding_1"),
    ]
    return ConvStem(convolutions, pooled=False, name="stem")
