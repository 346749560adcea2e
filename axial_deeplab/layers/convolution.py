"""Convolutions with batch norm, and bilinear resizes.

Strided convolutions pad (k - 1) / 2 on both sides whatever the size, so that
features stay centred on every stride-th pixel (deeplab2's "same").
"""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.activations import activate, check_activation
from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.normalization import BatchNorm, NormOptions


@register
class ConvNormAct(Configurable, tf_keras.layers.Layer):
    """Convolution without bias, batch norm, optional ReLU.

    Input [B, H, W, C], output [B, ceil(H/stride), ceil(W/stride), filters].

    Args:
      filters: output channels.
      kernel_size: odd.
      stride: 1 or 2.
      dilation: atrous rate; needs stride 1.
      activation: that at the end: True for a ReLU, False for none, or a name.
      gamma_initializer: of the batch norm; "zeros" at the end of a residual
        branch.
      norm: constants of the batch norm.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 1,
        stride: int = 1,
        dilation: int = 1,
        activation: bool | str = True,
        gamma_initializer: str = "ones",
        norm: NormOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel_size = filters, kernel_size
        self.stride, self.dilation = stride, dilation
        self.activation, self.gamma_initializer = activation, gamma_initializer
        if isinstance(activation, str):
            check_activation(activation)
        self.norm = norm or NormOptions()
        self.conv = tf_keras.layers.Conv2D(
            filters,
            kernel_size,
            strides=stride,
            dilation_rate=dilation,
            padding="same" if stride == 1 else "valid",
            use_bias=False,
            kernel_initializer="he_normal",
            name="conv",
        )
        self.batch_norm = BatchNorm(
            self.norm, gamma_initializer, name="batch_norm"
        )

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H', W', filters]."""
        if self.stride > 1:
            x = pad_symmetric(x, self.kernel_size)
        x = self.batch_norm(self.conv(x), training=training)
        if isinstance(self.activation, str):
            return activate(x, self.activation)
        return tf.nn.relu(x) if self.activation else x


def depthwise_convolution(
    kernel_size: int, stride: int, dilation: int
) -> tf_keras.layers.DepthwiseConv2D:
    """One without bias; with a stride it wants what `pad_symmetric` returns."""
    return tf_keras.layers.DepthwiseConv2D(
        kernel_size,
        strides=stride,
        dilation_rate=dilation,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        name="depthwise",
    )


@register
class SeparableConvNormAct(Configurable, tf_keras.layers.Layer):
    """Depthwise convolution, norm, ReLU, then 1x1 convolution, norm, ReLU.

    Input [B, H, W, C], output [B, ceil(H/stride), ceil(W/stride), filters].

    Args:
      filters: output channels.
      kernel_size: of the depthwise part, odd.
      dilation: atrous rate of the depthwise part; needs stride 1.
      norm: constants of the batch norms.
      stride: of the depthwise part, 1 or 2.
      activation: apply both ReLUs.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 5,
        dilation: int = 1,
        norm: NormOptions | None = None,
        stride: int = 1,
        activation: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.kernel_size = filters, kernel_size
        self.dilation, self.stride = dilation, stride
        self.activation = activation
        self.norm = norm or NormOptions()
        self.depthwise = depthwise_convolution(kernel_size, stride, dilation)
        self.depthwise_norm = BatchNorm(self.norm, name="depthwise_norm")
        self.pointwise = ConvNormAct(
            filters, activation=activation, norm=self.norm, name="pointwise"
        )

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H', W', filters]."""
        if self.stride > 1:
            x = pad_symmetric(x, self.kernel_size)
        x = self.depthwise_norm(self.depthwise(x), training=training)
        x = tf.nn.relu(x) if self.activation else x
        return self.pointwise(x, training=training)


def pad_symmetric(x: tf.Tensor, kernel_size: int) -> tf.Tensor:
    """Zeros, (kernel_size - 1) // 2 on each side of height and width."""
    side = (kernel_size - 1) // 2
    return tf.pad(x, [[0, 0], [side, side], [side, side], [0, 0]])


def resize_to(x: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Bilinear resize of [B, H, W, C] to `size` [2]; corners stay corners.

    Computed in float32, returned in the type of `x`.
    """
    y = tf.raw_ops.ResizeBilinear(
        images=tf.cast(x, tf.float32), size=size, align_corners=True
    )
    return tf.cast(y, x.dtype)


def resize_half_pixel(x: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Bilinear resize of [B, H, W, C] to `size` [2]; borders stay borders.

    A pixel is a square, not a point: the first one's centre lies at 1/2 of its
    side. (PyTorch's "align_corners=False".) Computed in float32, returned in
    the type of `x`.
    """
    y = tf.raw_ops.ResizeBilinear(
        images=tf.cast(x, tf.float32), size=size, half_pixel_centers=True
    )
    return tf.cast(y, x.dtype)
