"""The residual bottleneck: one frame around any spatial layer."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.recomputation import recompute_in_gradient
from axial_deeplab.layers.regularization import DropPath


@register
class BottleneckBlock(Configurable, tf_keras.layers.Layer):
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
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.spatial = spatial
        self.inner_filters, self.filters = inner_filters, filters
        self.stride, self.drop_path = stride, drop_path
        self.norm, self.recompute = norm or NormOptions(), recompute
        self.reduce = ConvNormAct(inner_filters, norm=self.norm, name="reduce")
        self.expand = ConvNormAct(
            filters,
            activation=False,
            gamma_initializer="zeros",
            norm=self.norm,
            name="expand",
        )
        self.drop = DropPath(drop_path, name="drop_path")
        self.shortcut = None

    def build(self, input_shape) -> None:
        if self.stride > 1 or input_shape[-1] != self.filters:
            self.shortcut = ConvNormAct(
                self.filters,
                stride=self.stride,
                activation=False,
                norm=self.norm,
                name="shortcut",
            )
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H', W', filters]."""
        shortcut = x
        if self.shortcut is not None:
            shortcut = self.shortcut(x, training=training)
        if training and self.recompute:
            x = recompute_in_gradient(lambda x: self._branch(x, True), x)
        else:
            x = self._branch(x, training)
        return tf.nn.relu(self.drop(x, training=training) + shortcut)

    def _branch(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        x = self.reduce(x, training=training)
        x = tf.nn.relu(self.spatial(x, training=training))
        return self.expand(x, training=training)
