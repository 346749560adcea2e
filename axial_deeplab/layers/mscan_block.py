"""The block of MSCAN (arXiv:2209.08575, section 3.1).

In inference, norms and scales are folded into the convolutions beside them, and
so are the factors of the GELU, which with u = x / sqrt(2) is
u (1 + erf(u)) / sqrt(2): what is left of it are an error function and a
product.
"""

from typing import NamedTuple

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import (
    Configurable,
    register,
    without_autograph,
)
from axial_deeplab.layers.depthwise import depthwise
from axial_deeplab.layers.folded_weights import Affine, folded_weights_of
from axial_deeplab.layers.normalization import BatchNorm, NormOptions
from axial_deeplab.layers.recomputation import recompute_in_gradient
from axial_deeplab.layers.regularization import DropPath, LayerScale
from axial_deeplab.layers.scale_attention import (
    ConvFeedForward,
    ScaleAttentionUnit,
    ScaleOptions,
)

# Of the GELU, in front of u (1 + erf(u)) and behind it.
_HALF_ROOT = 0.5**0.5


class Kernel(NamedTuple):
    """Weights of a convolution: [h, w, C, F] (depthwise [h, w, C, 1]), [F]."""

    weight: tf.Tensor
    bias: tf.Tensor


class BlockWeights(NamedTuple):
    """What a block multiplies and adds in inference.

    `before`, `local`, `after` are convolutions of the attention, `expand`,
    `spatial`, `reduce` those of the feed-forward part; `kept` [C] is what the
    attention's two shortcuts multiply the input with.
    """

    before: Kernel
    local: Kernel
    after: Kernel
    kept: tf.Tensor
    expand: Kernel
    spatial: Kernel
    reduce: Kernel


@register
class MSCANBlock(Configurable, tf_keras.layers.Layer):
    """Attention and feed-forward, each with norm, scale and shortcut.

    Input and output [B, H, W, C]. The unit of the attention adds the
    normalised map, so the first branch has two shortcuts.

    Args:
      ratio: of channels inside the feed-forward part.
      options: of the attention.
      drop_path: probability of dropping each branch in training.
      norm: constants of the batch norms.
      recompute: whether training stores only the inputs of the branches, and
        computes their activations again for the gradient.
    """

    def __init__(
        self,
        ratio: int,
        options: ScaleOptions | None = None,
        drop_path: float = 0.0,
        norm: NormOptions | None = None,
        recompute: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.ratio, self.options = ratio, options or ScaleOptions()
        self.drop_path, self.recompute = drop_path, recompute
        self.norm = norm or NormOptions()
        self.attention_norm = BatchNorm(self.norm, name="attention_norm")
        self.attention = ScaleAttentionUnit(options, name="attention")
        self.attention_scale = LayerScale(name="attention_scale")
        self.feed_norm = BatchNorm(self.norm, name="feed_norm")
        self.feed_forward = ConvFeedForward(ratio, name="feed_forward")
        self.feed_scale = LayerScale(name="feed_scale")
        self.drop = DropPath(drop_path, name="drop_path")

    @without_autograph
    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        # The first call builds the parts.
        if not training and self.feed_scale.built:
            return self._infer(x)
        for branch in (self._attend, self._feed):
            y = self._run(branch, x, training)
            x += self.drop(y, training=training)
        return x

    def _run(self, branch, x: tf.Tensor, training: bool) -> tf.Tensor:
        if training and self.recompute:
            return recompute_in_gradient(lambda x: branch(x, True), x)
        return branch(x, training)

    def _attend(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        x = self.attention_norm(x, training=training)
        return self.attention_scale(self.attention(x, training=training))

    def _feed(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        x = self.feed_norm(x, training=training)
        return self.feed_scale(self.feed_forward(x, training=training))

    def _infer(self, x: tf.Tensor) -> tf.Tensor:
        weights = tf.nest.map_structure(
            lambda value: tf.cast(value, x.dtype), folded_weights_of(self)
        )
        attention = self.attention.attention
        y = _gelu(_pointwise(x, weights.before))
        factor = attention.factor(_depthwise(y, weights.local))
        y = y * factor if attention.options.gate else factor
        x = x * weights.kept + _pointwise(y, weights.after)
        y = _depthwise(_pointwise(x, weights.expand), weights.spatial)
        return x + _pointwise(_gelu(y), weights.reduce)

    def fold(self) -> BlockWeights:
        """The weights of inference, float32."""
        unit, feed = self.attention, self.feed_forward
        norm = Affine(*self.attention_norm.affine())
        scale = _float(self.attention_scale.factor)
        after = _read(unit.after)
        into_after = scale
        if unit.attention.options.gate:
            into_after *= _HALF_ROOT
        local, reduce = _read(unit.attention.local), _read(feed.reduce)
        spatial = _read(feed.spatial)
        feed_scale = _float(self.feed_scale.factor)
        return BlockWeights(
            before=_scaled(_behind(norm, _read(unit.before)), _HALF_ROOT),
            local=Kernel(local.weight * _HALF_ROOT, local.bias),
            after=Kernel(
                after.weight * into_after,
                (after.bias + norm.offset) * scale,
            ),
            kept=1.0 + scale * norm.factor,
            expand=_behind(
                Affine(*self.feed_norm.affine()), _read(feed.expand)
            ),
            spatial=_scaled(spatial, _HALF_ROOT),
            reduce=Kernel(
                reduce.weight * (feed_scale * _HALF_ROOT),
                reduce.bias * feed_scale,
            ),
        )


def _read(layer: tf_keras.layers.Layer) -> Kernel:
    return Kernel(_float(layer.kernel), _float(layer.bias))


def _float(weight: tf.Variable) -> tf.Tensor:
    return tf.cast(tf.convert_to_tensor(weight), tf.float32)


def _scaled(kernel: Kernel, factor: float) -> Kernel:
    """The convolution, whose results are multiplied."""
    return Kernel(kernel.weight * factor, kernel.bias * factor)


def _behind(norm: Affine, kernel: Kernel) -> Kernel:
    """A 1x1 convolution and the norm in front of it."""
    weight = kernel.weight * norm.factor[:, tf.newaxis]
    added = tf.linalg.matvec(kernel.weight[0, 0], norm.offset, transpose_a=True)
    return Kernel(weight, kernel.bias + added)


def _pointwise(x: tf.Tensor, kernel: Kernel) -> tf.Tensor:
    y = tf.nn.conv2d(x, kernel.weight, 1, "VALID")
    return tf.nn.bias_add(y, kernel.bias)


def _depthwise(x: tf.Tensor, kernel: Kernel) -> tf.Tensor:
    return tf.nn.bias_add(depthwise(x, kernel.weight), kernel.bias)


def _gelu(x: tf.Tensor) -> tf.Tensor:
    """A GELU without the factors in front of it and behind it."""
    return (tf.math.erf(x) + 1.0) * x
