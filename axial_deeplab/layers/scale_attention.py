"""Multi-scale convolutional attention, and the parts of a block of MSCAN.

(arXiv:2209.08575, section 3.1.) What the paper calls attention is a product:
a map is multiplied with what large depthwise convolutions make of it.
"""

import dataclasses

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.activations import gelu
from axial_deeplab.layers.configurable import Configurable, Options, register
from axial_deeplab.layers.depthwise import DepthwiseConv, he_fan_out

_LOCAL_SIZE = 5
# The large kernel of arXiv:2202.09741: 7x7, every third pixel.
_LARGE_SIZE, _LARGE_DILATION = 7, 3


@register
@dataclasses.dataclass(frozen=True)
class ScaleOptions(Options):
    """What attention consists of; the switches of Tables 6 and 8.

    Attributes:
      strips: lengths of the pairs of strip convolutions, odd.
      large_kernel: a dilated 7x7 convolution in place of all strips.
      mix: whether a 1x1 convolution mixes the channels.
      gate: whether the result is multiplied with the input.
    """

    strips: tuple[int, ...] = (7, 11, 21)
    large_kernel: bool = False
    mix: bool = True
    gate: bool = True

    def __post_init__(self):
        object.__setattr__(self, "strips", tuple(self.strips))
        if self.large_kernel and self.strips:
            raise ValueError(
                "`large_kernel` stands in place of `strips`, which must be "
                f"(); got {self.strips}."
            )


# "Without MSCA" of Table 8, the attention of arXiv:2202.09741.
LARGE_KERNEL = ScaleOptions(strips=(), large_kernel=True)


@register
class MultiScaleConvAttention(Configurable, tf_keras.layers.Layer):
    """x times the mixed sum of a 5x5 convolution and of strips behind it.

    Equations 1 and 2: with b = conv 5x5 of x, all depthwise, the factor is
    mix(b + sum over k of conv kx1 of conv 1xk of b). Input and output
    [B, H, W, C], any H and W.

    Args:
      options: which parts there are.
    """

    def __init__(self, options: ScaleOptions | None = None, **kwargs):
        super().__init__(**kwargs)
        self.options = options or ScaleOptions()
        self.local = DepthwiseConv((_LOCAL_SIZE, _LOCAL_SIZE), name="local")
        lengths = self.options.strips
        self.across = [
            DepthwiseConv((1, length), name=f"across_{length}")
            for length in lengths
        ]
        self.down = [
            DepthwiseConv((length, 1), name=f"down_{length}")
            for length in lengths
        ]
        self.large = self.mix = None
        if self.options.large_kernel:
            size = (_LARGE_SIZE, _LARGE_SIZE)
            self.large = DepthwiseConv(size, _LARGE_DILATION, name="large")

    def build(self, input_shape) -> None:
        if self.options.mix:
            self.mix = pointwise(input_shape[-1], "mix")
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        del training
        y = self.factor(self.local(x))
        return x * y if self.options.gate else y

    def factor(self, local: tf.Tensor) -> tf.Tensor:
        """What x is multiplied with, from its 5x5 convolution."""
        if self.large is not None:
            y = self.large(local)
        else:
            y = local
            for across, down in zip(self.across, self.down, strict=True):
                y += down(across(local))
        return y if self.mix is None else self.mix(y)


@register
class ScaleAttentionUnit(Configurable, tf_keras.layers.Layer):
    """x + W2 attention(GELU(W1 x)): Figure 2, between norm and scale.

    Input and output [B, H, W, C].

    Args:
      options: of the attention.
    """

    def __init__(self, options: ScaleOptions | None = None, **kwargs):
        super().__init__(**kwargs)
        self.options = options or ScaleOptions()
        self.attention = MultiScaleConvAttention(options, name="attention")

    def build(self, input_shape) -> None:
        self.before = pointwise(input_shape[-1], "before")
        self.after = pointwise(input_shape[-1], "after")
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        y = self.attention(gelu(self.before(x)), training=training)
        return x + self.after(y)


@register
class ConvFeedForward(Configurable, tf_keras.layers.Layer):
    """1x1 to `ratio` C channels, depthwise 3x3, GELU, 1x1 back to C.

    Input and output [B, H, W, C].

    Args:
      ratio: of channels in between.
    """

    def __init__(self, ratio: int, **kwargs):
        super().__init__(**kwargs)
        self.ratio = ratio
        self.spatial = DepthwiseConv((3, 3), name="spatial")

    def build(self, input_shape) -> None:
        channels = input_shape[-1]
        self.expand = pointwise(self.ratio * channels, "expand")
        self.reduce = pointwise(channels, "reduce")
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        del training
        return self.reduce(gelu(self.spatial(self.expand(x))))


def pointwise(filters: int, name: str) -> tf_keras.layers.Conv2D:
    """1x1 convolution with bias."""
    return tf_keras.layers.Conv2D(
        filters, 1, kernel_initializer=he_fan_out(), name=name
    )
