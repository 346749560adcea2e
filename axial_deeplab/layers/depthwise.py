"""Depthwise convolution with bias, fast in training on CPUs too."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, register


def he_fan_out() -> tf_keras.initializers.Initializer:
    """Normal(0, sqrt(2 / fan_out)), where a depthwise kernel fans out to one.

    A new one for each kernel: one initializer draws the same numbers always.
    """
    return tf_keras.initializers.VarianceScaling(
        2.0, "fan_out", "untruncated_normal"
    )


@register
class DepthwiseConv(Configurable, tf_keras.layers.Layer):
    """One kernel per channel, stride 1, zeros around the map, with bias.

    Input and output [B, H, W, C].

    Args:
      kernel_size: (height, width), both odd.
      dilation: atrous rate.
    """

    def __init__(
        self, kernel_size: tuple[int, int], dilation: int = 1, **kwargs
    ):
        super().__init__(**kwargs)
        self.kernel_size, self.dilation = tuple(kernel_size), dilation
        if any(side % 2 == 0 for side in self.kernel_size):
            raise ValueError(
                "`kernel_size` must be odd, so that the kernel has a centre; "
                f"got {self.kernel_size}."
            )

    def build(self, input_shape) -> None:
        channels = input_shape[-1]
        self.kernel = self.add_weight(
            "kernel",
            (*self.kernel_size, channels, 1),
            initializer=he_fan_out(),
        )
        self.bias = self.add_weight("bias", (channels,), initializer="zeros")
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        del training
        kernel = tf.convert_to_tensor(self.kernel)
        return depthwise(x, kernel, self.dilation) + self.bias


def depthwise(x: tf.Tensor, kernel: tf.Tensor, dilation: int = 1) -> tf.Tensor:
    """[B, H, W, C], [h, w, C, 1] -> [B, H, W, C], centred, zeros around."""
    return tf.nn.depthwise_conv2d(
        x, kernel, [1, 1, 1, 1], "SAME", dilations=[dilation, dilation]
    )
