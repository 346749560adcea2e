"""Residual blocks: one frame around any branch."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.recomputation import recompute_in_gradient
from axial_deeplab.layers.regularization import DropPath


class _ResidualBlock(Configurable, tf_keras.layers.Layer):
    """A branch, plus shortcut, ReLU.

    The shortcut is a 1x1 convolution where channels or size change; one that
    `samples` does without where only the size does.
    """

    def __init__(
        self,
        filters: int,
        stride: int,
        drop_path: float,
        norm: NormOptions | None,
        recompute: bool,
        samples: bool,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.stride, self.samples = filters, stride, samples
        self.drop_path, self.recompute = drop_path, recompute
        self.norm = norm or NormOptions()
        self.drop = DropPath(drop_path, name="drop_path")
        self.shortcut = None

    def build(self, input_shape) -> None:
        resized = self.stride > 1 and not self.samples
        if resized or input_shape[-1] != self.filters:
            self.shortcut = ConvNormAct(
                self.filters,
                stride=self.stride,
                activation=False,
                norm=self.norm,
                name="shortcut",
            )
        self.built = True

    def call(
        self, x: tf.Tensor, training: bool = False, activate: bool = True
    ) -> tf.Tensor:
        """[B, H, W, C] -> [B, H', W', filters]; the sum if not `activate`."""
        shortcut = x
        if self.shortcut is not None:
            shortcut = self.shortcut(x, training=training)
        elif self.stride > 1:
            shortcut = x[:, :: self.stride, :: self.stride]
        if training and self.recompute:
            x = recompute_in_gradient(lambda x: self._branch(x, True), x)
        else:
            x = self._branch(x, training)
        x = self.drop(x, training=training) + shortcut
        return tf.nn.relu(x) if activate else x

    def _branch(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        raise NotImplementedError

    def _last(
        self, name: str, kernel_size: int, dilation: int = 1
    ) -> ConvNormAct:
        """The convolution at the end, which adds nothing at first."""
        return ConvNormAct(
            self.filters,
            kernel_size,
            dilation=dilation,
            activation=False,
            gamma_initializer="zeros",
            norm=self.norm,
            name=name,
        )


@register
class BottleneckBlock(_ResidualBlock):
    """1x1 -> spatial layer -> ReLU -> 1x1, plus shortcut, ReLU.

    Input [B, H, W, C], output [B, ceil(H/stride), ceil(W/stride), filters]
    (arXiv:2003.07853, Fig. 2 with an axial layer inside).

    Args:
      spatial: built layer of the given stride.
      inner_filters: channels that go into `spatial`.
      filters: output channels.
      stride: of `spatial`; the shortcut follows it.
      drop_path: probability of dropping the branch in training.
      norm: constants of the batch norms.
      recompute: whether training stores only the input of the branch, and
        computes its activations again for the gradient.
      samples: whether the shortcut takes every stride-th place, and not a
        convolution, where channels stay.
    """

    def __init__(
        self,
        spatial: tf_keras.layers.Layer,
        inner_filters: int,
        filters: int,
        stride: int = 1,
        drop_path: float = 0.0,
        norm: NormOptions | None = None,
        recompute: bool = False,
        samples: bool = False,
        **kwargs,
    ):
        super().__init__(
            filters, stride, drop_path, norm, recompute, samples, **kwargs
        )
        self.spatial, self.inner_filters = spatial, inner_filters
        self.reduce = ConvNormAct(inner_filters, norm=self.norm, name="reduce")
        self.expand = self._last("expand", 1)

    def _branch(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        x = self.reduce(x, training=training)
        x = tf.nn.relu(self.spatial(x, training=training))
        return self.expand(x, training=training)


@register
class BasicBlock(_ResidualBlock):
    """3x3 -> ReLU -> 3x3, plus shortcut, ReLU.

    Input [B, H, W, C], output [B, ceil(H/stride), ceil(W/stride), filters]
    (arXiv:1512.03385, Fig. 5, left).

    Args:
      filters: channels of both convolutions.
      stride: of the first convolution; the shortcut follows it.
      dilation: of both convolutions; needs stride 1.
      drop_path: probability of dropping the branch in training.
      norm: constants of the batch norms.
      recompute: see `BottleneckBlock`.
      samples: see `BottleneckBlock`.
    """

    def __init__(
        self,
        filters: int,
        stride: int = 1,
        dilation: int = 1,
        drop_path: float = 0.0,
        norm: NormOptions | None = None,
        recompute: bool = False,
        samples: bool = False,
        **kwargs,
    ):
        super().__init__(
            filters, stride, drop_path, norm, recompute, samples, **kwargs
        )
        self.dilation = dilation
        self.first = ConvNormAct(
            filters, 3, stride, dilation, norm=self.norm, name="first"
        )
        self.second = self._last("second", 3, dilation)

    def _branch(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        x = self.first(x, training=training)
        return self.second(x, training=training)
