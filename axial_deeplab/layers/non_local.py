"""The non-local block: attention from every pixel to every pixel."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers import attention_ops, axial_lines
from axial_deeplab.layers.attention_options import DEFAULT_LOGITS_BYTES
from axial_deeplab.layers.chunks import sizes_of
from axial_deeplab.layers.configurable import (
    Configurable,
    register,
    without_autograph,
)
from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.layers.line_attention import Lines
from axial_deeplab.layers.normalization import NormOptions


@register
class NonLocalBlock(Configurable, tf_keras.layers.Layer):
    """x + norm(W y), with y_o = sum_p softmax_p(q_o . k_p) v_p over all p.

    Input and output [B, H, W, C], any H and W (arXiv:2003.07853, Eq. 1, in the
    residual form of arXiv:1711.07971, embedded Gaussian: one head, no
    1/sqrt(d), and a norm whose gain starts at zero, so that a new block changes
    nothing). Time grows with (H W)^2, memory with H W.

    Args:
      filters: depth of queries, keys and values; None: half of C.
      logits_bytes: what logits and weights may occupy at once.
      norm: constants of the batch norm.
    """

    def __init__(
        self,
        filters: int | None = None,
        logits_bytes: int = DEFAULT_LOGITS_BYTES,
        norm: NormOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.logits_bytes = filters, logits_bytes
        self.norm = norm or NormOptions()

    def build(self, input_shape) -> None:
        channels = input_shape[-1]
        depth = self.filters or max(channels // 2, 1)
        self.qkv_kernel = self.add_weight(
            "qkv_kernel",
            (channels, 3 * depth),
            initializer=tf_keras.initializers.TruncatedNormal(
                stddev=channels**-0.5
            ),
        )
        self.expand = ConvNormAct(
            channels,
            activation=False,
            gamma_initializer="zeros",
            norm=self.norm,
            name="expand",
        )
        self.built = True

    @without_autograph
    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        batch, height, width, _ = sizes_of(x)
        qkv = axial_lines.project(x, self.qkv_kernel, None)
        depth = qkv.shape[-1] // 3
        lines = Lines(
            *(
                tf.reshape(part, [batch, height * width, depth])
                for part in tf.split(qkv, 3, axis=-1)
            ),
            factors={},
            places={},
            masks={},
        )
        attended = attention_ops.attend(lines, {}, self.logits_bytes, training)
        y = tf.reshape(attended["content"], [batch, height, width, depth])
        return x + self.expand(tf.cast(y, x.dtype), training=training)
