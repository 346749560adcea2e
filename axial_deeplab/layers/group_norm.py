"""Norms that see one sample, or one pixel, at a time: no moving statistics."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.depthwise import he_fan_out


class _AffineNorm(Configurable, tf_keras.layers.Layer):
    """Gain and offset per channel behind a normalisation."""

    def build(self, input_shape) -> None:
        self.gamma, self.beta = (
            self.add_weight(
                name,
                (input_shape[-1],),
                dtype=tf.float32,
                initializer=initializer,
                experimental_autocast=False,
            )
            for name, initializer in (("gamma", "ones"), ("beta", "zeros"))
        )
        self.built = True


@register
class ChannelNorm(_AffineNorm):
    """Layer norm of the channels of each pixel (arXiv:1607.06450).

    Input and output [B, H, W, C]; moments in float32.

    Args:
      epsilon: added to the variance.
    """

    def __init__(self, epsilon: float = 1e-5, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.epsilon = epsilon

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        del training
        values = tf.cast(x, tf.float32)
        mean, variance = tf.nn.moments(values, -1, keepdims=True)
        factor = tf.math.rsqrt(variance + self.epsilon)
        y = (values - mean) * factor * self.gamma + self.beta
        return tf.cast(y, self.compute_dtype)


@register
class GroupNorm(_AffineNorm):
    """Norm over height, width and the channels of a group (arXiv:1803.08494).

    Input and output [B, H, W, C]; moments in float32.

    Args:
      groups: number of groups of consecutive channels; divides C.
      epsilon: added to the variance.
    """

    def __init__(self, groups: int = 32, epsilon: float = 1e-5, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.groups, self.epsilon = groups, epsilon

    def build(self, input_shape) -> None:
        if input_shape[-1] % self.groups:
            raise ValueError(
                "`groups` must divide the channels; got "
                f"groups={self.groups}, {input_shape[-1]} channels."
            )
        super().build(input_shape)

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        del training
        values = tf.cast(x, tf.float32)
        factor, offset = self._affine(values)
        return tf.cast(values * factor + offset, self.compute_dtype)

    def _affine(self, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Factor and offset [B, 1, 1, C] that normalise [B, H, W, C].

        The moments of a group are put together from those of its channels: a
        reduction that keeps the last axis is three times as fast on a CPU as
        one over parts of it.
        """
        channels = values.shape[-1]
        size = channels // self.groups
        batch = tf.shape(values)[0]
        flat = tf.reshape(values, [batch, -1, channels])
        mean, variance = (
            tf.reshape(x, [batch, self.groups, size])
            for x in tf.nn.moments(flat, [1])
        )
        of_group = tf.reduce_mean(mean, -1, keepdims=True)
        variance += tf.square(mean - of_group)
        variance = tf.reduce_mean(variance, -1, keepdims=True)
        factor = tf.math.rsqrt(variance + self.epsilon)

        def spread(x: tf.Tensor) -> tf.Tensor:
            x = tf.tile(x, [1, 1, size])
            return tf.reshape(x, [batch, 1, 1, channels])

        factor = spread(factor) * self.gamma
        return factor, self.beta - spread(of_group) * factor


@register
class ConvGroupNormAct(Configurable, tf_keras.layers.Layer):
    """1x1 convolution without bias, group norm, optional ReLU.

    Input [B, H, W, C], output [B, H, W, filters].

    Args:
      filters: output channels.
      groups: of the norm.
      activation: apply a ReLU at the end.
    """

    def __init__(
        self,
        filters: int,
        groups: int = 32,
        activation: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.groups = filters, groups
        self.activation = activation
        self.conv = tf_keras.layers.Conv2D(
            filters,
            1,
            use_bias=False,
            kernel_initializer=he_fan_out(),
            name="conv",
        )
        self.group_norm = GroupNorm(groups, name="group_norm")

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, filters]."""
        x = self.group_norm(self.conv(x), training=training)
        return tf.nn.relu(x) if self.activation else x
