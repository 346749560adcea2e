"""The residual block of Xception."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.convolution import ConvNormAct, SeparableConvNormAct
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.recomputation import recompute_in_gradient
from axial_deeplab.layers.regularization import DropPath


@register
class XceptionBlock(Configurable, tf_keras.layers.Layer):
    """Three times a ReLU and a 3x3 separable convolution, plus shortcut.

    Input [B, H, W, C], output [B, ceil(H/stride), ceil(W/stride), filters[-1]],
    a sum without a ReLU (arXiv:1610.02357, Fig. 5, with a strided convolution
    for the pool and a norm after each part, as in arXiv:1802.02611, Fig. 4).

    Args:
      filters: output channels of the three convolutions.
      stride: of the last convolution; the shortcut follows it.
      dilation: atrous rate of all three; needs stride 1.
      drop_path: probability of dropping the branch in training.
      norm: constants of the batch norms.
      recompute: whether training stores only the input of the branch, and
        computes its activations again for the gradient.
    """

    def __init__(
        self,
        filters: tuple[int, int, int],
        stride: int = 1,
        dilation: int = 1,
        drop_path: float = 0.0,
        norm: NormOptions | None = None,
        recompute: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.stride = tuple(filters), stride
        self.dilation, self.drop_path = dilation, drop_path
        self.norm, self.recompute = norm or NormOptions(), recompute
        last = len(self.filters) - 1
        self.convolutions = [
            SeparableConvNormAct(
                count,
                kernel_size=3,
                dilation=dilation,
                norm=self.norm,
                stride=stride if i == last else 1,
                activation=False,
                name=f"separable_{i}",
            )
            for i, count in enumerate(self.filters)
        ]
        self.drop = DropPath(drop_path, name="drop_path")
        self.shortcut = None

    def build(self, input_shape) -> None:
        if self.stride > 1 or input_shape[-1] != self.filters[-1]:
            self.shortcut = ConvNormAct(
                self.filters[-1],
                stride=self.stride,
                activation=False,
                norm=self.norm,
                name="shortcut",
            )
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H', W', filters[-1]]."""
        shortcut = x
        if self.shortcut is not None:
            shortcut = self.shortcut(x, training=training)
        if training and self.recompute:
            x = recompute_in_gradient(lambda x: self._branch(x, True), x)
        else:
            x = self._branch(x, training)
        return self.drop(x, training=training) + shortcut

    def _branch(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        for convolution in self.convolutions:
            x = convolution(tf.nn.relu(x), training=training)
        return x
