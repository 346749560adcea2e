"""Inverted residuals of MobileNetV3 (arXiv:1905.02244, section 3)."""

import dataclasses

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.activations import activate, check_activation
from axial_deeplab.layers.configurable import (
    Configurable,
    Options,
    register,
)
from axial_deeplab.layers.convolution import (
    ConvNormAct,
    depthwise_convolution,
    pad_symmetric,
)
from axial_deeplab.layers.normalization import BatchNorm, NormOptions
from axial_deeplab.layers.recomputation import recompute_in_gradient
from axial_deeplab.layers.regularization import DropPath

_DIVISOR = 8
_SQUEEZE = 0.25


def divisible(count: float, divisor: int = _DIVISOR) -> int:
    """The nearest multiple of `divisor` that is not below 0.9 `count`."""
    nearest = max(divisor, int(count + divisor / 2) // divisor * divisor)
    return nearest if nearest >= 0.9 * count else nearest + divisor


@register
class SqueezeExcite(Configurable, tf_keras.layers.Layer):
    """Multiplies channels with what two 1x1 convolutions make of their means.

    ReLU between them, a sigmoid behind (arXiv:1709.01507, section 3). Input
    and output [B, H, W, C].

    Args:
      reduced: channels between the convolutions.
    """

    def __init__(self, reduced: int, **kwargs):
        super().__init__(**kwargs)
        self.reduced = reduced
        self.reduce = _point(reduced, "reduce")

    def build(self, input_shape) -> None:
        self.expand = _point(input_shape[-1], "expand")
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        del training
        gate = self.reduce(tf.reduce_mean(x, axis=[1, 2], keepdims=True))
        return x * tf.nn.sigmoid(self.expand(tf.nn.relu(gate)))


def _point(filters: int, name: str) -> tf_keras.layers.Conv2D:
    return tf_keras.layers.Conv2D(
        filters, 1, kernel_initializer="he_normal", name=name
    )


@register
@dataclasses.dataclass(frozen=True)
class InvertedOptions(Options):
    """What is inside a block.

    Attributes:
      expanded: channels of the depthwise convolution.
      kernel_size: of the depthwise convolution, odd.
      gated: whether squeeze-and-excite follows it.
      activation: "relu" or "hard_swish".
      residual: whether the input is added at the end; needs equal shapes.
    """

    expanded: int
    kernel_size: int = 3
    gated: bool = False
    activation: str = "relu"
    residual: bool = False


@register
class InvertedResidual(Configurable, tf_keras.layers.Layer):
    """1x1 to more channels, depthwise, squeeze-and-excite, 1x1 to fewer.

    Batch norms behind all convolutions; the last has no activation. Where
    channels are not more the first 1x1 is left out. Input [B, H, W, C]; output
    a pair: the depthwise convolution's [B, ceil(H/stride), ceil(W/stride),
    expanded], which segmentation reads, and the block's [..., filters].

    Args:
      filters: output channels.
      options: what is inside.
      stride: of the depthwise convolution, 1 or 2.
      dilation: atrous rate of the depthwise convolution; needs stride 1.
      drop_path: probability of dropping the branch of a residual in training.
      norm: constants of the batch norms.
      recompute: whether training stores no activations in front of the
        depthwise convolution's output, and computes them again.
    """

    def __init__(
        self,
        filters: int,
        options: InvertedOptions,
        stride: int = 1,
        dilation: int = 1,
        drop_path: float = 0.0,
        norm: NormOptions | None = None,
        recompute: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_activation(options.activation)
        self.filters, self.options = filters, options
        self.stride, self.dilation = stride, dilation
        self.drop_path, self.recompute = drop_path, recompute
        self.norm = norm or NormOptions()
        self.depthwise = depthwise_convolution(
            options.kernel_size, stride, dilation
        )
        self.depthwise_norm = BatchNorm(self.norm, name="depthwise_norm")
        self.expand, self.gate = None, None
        if options.gated:
            reduced = divisible(int(_SQUEEZE * options.expanded))
            self.gate = SqueezeExcite(reduced, name="gate")
        self.project = ConvNormAct(
            filters, activation=False, norm=self.norm, name="project"
        )
        self.drop = DropPath(drop_path, name="drop_path")

    def build(self, input_shape) -> None:
        if self.options.expanded > input_shape[-1]:
            self.expand = ConvNormAct(
                self.options.expanded,
                activation=self.options.activation,
                norm=self.norm,
                name="expand",
            )
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> list[tf.Tensor]:
        """[B, H, W, C] -> [B, H', W', expanded], [B, H', W', filters]."""
        if training and self.recompute:
            inside = recompute_in_gradient(lambda x: self._inside(x, True), x)
        else:
            inside = self._inside(x, training)
        y = inside if self.gate is None else self.gate(inside)
        y = self.project(y, training=training)
        if self.options.residual:
            y = self.drop(y, training=training) + x
        return [inside, y]  # not a tuple, which saving makes a list

    def _inside(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        if self.expand is not None:
            x = self.expand(x, training=training)
        if self.stride > 1:
            x = pad_symmetric(x, self.options.kernel_size)
        x = self.depthwise_norm(self.depthwise(x), training=training)
        return activate(x, self.options.activation)
