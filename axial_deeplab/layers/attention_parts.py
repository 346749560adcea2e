"""Projections and norms that attention layers share (arXiv:2003.07853, 3.2).

Batch norms on the projections, on the logits of each term and head, and on
each retrieved output.
"""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers import axial_lines
from axial_deeplab.layers.logit_statistics import moments_of
from axial_deeplab.layers.normalization import (
    BatchNorm,
    MomentNorm,
    Moments,
    NormOptions,
    is_alone,
)


def projection_norm(depth: int, options: NormOptions) -> BatchNorm:
    """Of queries, keys and values."""
    return BatchNorm(options, shape=(depth,), name="qkv_norm", dtype=tf.float32)


def logit_norm(terms: int, heads: int, options: NormOptions) -> MomentNorm:
    """Of each logit term of each head."""
    return MomentNorm(
        (terms, heads), options, name="similarity_norm", dtype=tf.float32
    )


def output_norm(count: int, filters: int, options: NormOptions) -> MomentNorm:
    """Of each retrieved output."""
    return MomentNorm(
        (count, filters), options, name="output_norm", dtype=tf.float32
    )


def build_norms(*norms: MomentNorm | None) -> None:
    """Creates their weights: inference reads norms without calling them."""
    for norm in norms:
        if norm is not None:
            with tf.name_scope(norm.name):
                norm.build(None)


def add_projection(
    layer: tf_keras.layers.Layer, channels: int, depth: int
) -> tf.Variable:
    """The kernel of queries, keys and values, in this order."""
    return layer.add_weight(
        "qkv_kernel",
        (channels, depth),
        initializer=tf_keras.initializers.TruncatedNormal(
            stddev=channels**-0.5
        ),
        experimental_autocast=False,  # norms fold into it in float32
    )


def add_table(
    layer: tf_keras.layers.Layer, name: str, shape: tuple[int, ...]
) -> tf.Variable:
    """Position embeddings "query", "key" or "value"; the layer's attribute."""
    table = layer.add_weight(
        f"{name}_position",
        shape,
        initializer=tf_keras.initializers.TruncatedNormal(stddev=1.0),
        experimental_autocast=False,  # logits stay float32
    )
    setattr(layer, f"{name}_position", table)
    return table


def project(
    x: tf.Tensor, kernel: tf.Tensor, norm: BatchNorm | None, training: bool
) -> tf.Tensor:
    """[B, H, W, C], [C, F] -> [B, H, W, F], float32, normalised."""
    if norm is None:
        return axial_lines.project(x, kernel, None)
    if training:
        projected = axial_lines.project(x, kernel, None)
        return norm(projected, training=True)
    factor, bias = norm.affine()
    return axial_lines.project(x, kernel, bias, factor)


def logit_factors(
    norm: MomentNorm, moments: Moments | None, training: bool
) -> tf.Tensor:
    """Factors [terms, heads] of the logits; `moments` for training."""
    factors, offsets = norm(moments, training=training)
    # The softmax ignores the offsets; adding nothing of them keeps their
    # (zero) gradient defined, so that no optimizer warns of a lost weight.
    return factors + 0.0 * offsets


def merge(maps: list[tf.Tensor], norm: MomentNorm, training: bool) -> tf.Tensor:
    """Sum of the normalised maps [B, H, W, C]."""
    if training and norm.trainable and is_alone():
        # A span of 1 retrieves the same embedding everywhere: only near zero
        # the mean of such a map has no rounding error for the norm to enlarge.
        shifts = [tf.stop_gradient(x[0, 0, 0]) for x in maps]
        maps = [x - shift for x, shift in zip(maps, shifts, strict=True)]
        return tf.add_n(norm.normalise(maps, tf.stack(shifts)))
    moments = moments_of(maps) if training and norm.trainable else None
    factors, offsets = norm(moments, training=training)
    total = tf.reduce_sum(offsets, 0)
    for part, factor in zip(maps, tf.unstack(factors), strict=True):
        total += part * factor
    return total
