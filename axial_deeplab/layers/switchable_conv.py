"""Switchable atrous convolution (arXiv:2006.02334, section 3.2).

In the form of arXiv:2011.11675's checkpoints: both atrous rates share one
kernel, and the switch between them is linear.
"""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.convolution import pad_symmetric
from axial_deeplab.layers.normalization import BatchNorm, NormOptions

_FACTOR = 3  # from the small atrous rate to the large one
_WINDOW = 5  # of the average that the switch sees


@register
class SwitchableConv(Configurable, tf_keras.layers.Layer):
    """A mixture, pixel by pixel, of a convolution at two atrous rates.

    y = s * conv(x, 3 * dilation) + (1 - s) * conv(x, dilation) with one kernel;
    s is a 1x1 convolution, with bias, of the mean of 5x5 pixels. Where it
    strides it is the plain convolution, without a switch. Input [B, H, W, C],
    output [B, ceil(H/stride), ceil(W/stride), filters].

    Args:
      filters: output channels.
      kernel_size: odd.
      stride: 1 or 2.
      dilation: the smaller atrous rate; needs stride 1.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel_size = filters, kernel_size
        self.stride, self.dilation = stride, dilation
        if stride > 1 and dilation > 1:
            raise ValueError(
                f"`dilation` needs stride 1; got {stride=}, {dilation=}."
            )

    def build(self, input_shape) -> None:
        channels, side = input_shape[-1], self.kernel_size
        self.kernel = self.add_weight(
            "kernel",
            (side, side, channels, self.filters),
            initializer=tf_keras.initializers.HeNormal(),
        )
        if self.stride == 1:  # plain at first
            self.switch_kernel = self.add_weight(
                "switch_kernel", (1, 1, channels, 1), initializer="zeros"
            )
            self.switch_bias = self.add_weight(
                "switch_bias", (1,), initializer="zeros"
            )
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H', W', filters]."""
        del training
        if self.stride > 1:
            x = pad_symmetric(x, self.kernel_size)
            return tf.nn.conv2d(x, self.kernel, self.stride, "VALID")
        # (The mean counts pixels of the map alone.)
        mean = tf.nn.avg_pool2d(x, _WINDOW, 1, "SAME")
        switch = tf.nn.conv2d(mean, self.switch_kernel, 1, "SAME")
        switch += tf.convert_to_tensor(self.switch_bias)
        near, far = (
            tf.nn.conv2d(x, self.kernel, 1, "SAME", dilations=rate)
            for rate in (self.dilation, _FACTOR * self.dilation)
        )
        return switch * far + (1.0 - switch) * near


@register
class SwitchableConvNorm(Configurable, tf_keras.layers.Layer):
    """A switchable convolution between two global contexts, then batch norm.

    A context adds to every pixel a 1x1 convolution, with bias, of the mean of
    the map. Input [B, H, W, C], output [B, ceil(H/stride), ceil(W/stride),
    filters].

    Args:
      filters: output channels.
      kernel_size: odd.
      stride: 1 or 2.
      dilation: the smaller atrous rate; needs stride 1.
      norm: constants of the batch norm.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        norm: NormOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel_size = filters, kernel_size
        self.stride, self.dilation = stride, dilation
        self.norm = norm or NormOptions()
        self.conv = SwitchableConv(
            filters, kernel_size, stride, dilation, name="conv"
        )
        self.after = _context(filters, "after")
        self.batch_norm = BatchNorm(self.norm, name="batch_norm")

    def build(self, input_shape) -> None:
        self.before = _context(input_shape[-1], "before")
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H', W', filters]."""
        x += self.before(_mean(x))
        x = self.conv(x)
        x += self.after(_mean(x))
        return self.batch_norm(x, training=training)


def _context(filters: int, name: str) -> tf_keras.layers.Conv2D:
    return tf_keras.layers.Conv2D(
        filters, 1, kernel_initializer="zeros", name=name
    )


def _mean(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(x, axis=[1, 2], keepdims=True)
