"""Maps to the lines of one axis and back.

A map is [B, H, W, n * d] with n heads. By line it is [b * n, L, d], by place
[L, b * n, d], where b counts the rows (or columns) of all images.
"""

from collections.abc import Sequence

import tensorflow as tf

from axial_deeplab.layers.chunks import (
    FLOAT_BYTES,
    Size,
    even_part,
    larger,
    size_of,
    sizes_of,
)
from axial_deeplab.layers.line_attention import Lines, Terms

# The axis of a map along which its lines lie side by side.
ACROSS = {"height": 2, "width": 1}
# What the maps of an attention may occupy in inference: projections and their
# lines, cut into blocks with their surroundings, and retrievals.
_MAPS_BYTES, _MAPS = 2**30, 12
# Axes of [B, H, W, n, d] in the order of lines and of places.
_BY_LINE = {"height": [0, 2, 3, 1, 4], "width": [0, 1, 3, 2, 4]}
_BY_PLACE = {"height": [1, 0, 2, 3, 4], "width": [2, 0, 1, 3, 4]}


def project(
    x: tf.Tensor,
    kernel: tf.Tensor,
    bias: tf.Tensor | None,
    scale: tf.Tensor | None = None,
) -> tf.Tensor:
    """[B, H, W, C], [C, F] -> [B, H, W, F] float32, as one matrix product.

    A `scale` [F] is multiplied into the smaller one, the kernel or the result.
    """
    flat = tf.reshape(x, [-1, x.shape[-1]])
    pixels, channels = flat.shape
    if scale is not None and (pixels is None or pixels >= channels):
        kernel, scale = kernel * scale, None
    y = tf.cast(tf.matmul(flat, tf.cast(kernel, x.dtype)), tf.float32)
    if scale is not None:
        y *= scale
    if bias is not None:
        y = tf.nn.bias_add(y, bias)
    return tf.reshape(y, [*sizes_of(x)[:3], kernel.shape[1]])


def rows_at_once(x: tf.Tensor, axis: str, channels: int, unit: int = 1) -> Size:
    """Rows or columns of [B, H, W, C] whose maps fit a gibibyte.

    They are a multiple of `unit`, the height of a window.
    """
    sizes = sizes_of(x)
    count = -(-sizes.pop(ACROSS[axis]) // unit)
    pixels = _MAPS_BYTES // (channels * _MAPS * FLOAT_BYTES)
    limit = larger(pixels // (sizes[0] * sizes[1] * unit), 1)
    return unit * even_part(count, limit)


def lines_of_maps(qkv: Sequence[tf.Tensor], axis: str, heads: int) -> Lines:
    """Queries, keys and values [B, H, W, .] by line, without other terms."""
    query, key, value = (by_line(x, axis, heads) for x in qkv)
    return Lines(query, key, value, factors={}, places={}, masks={})


def with_factors(lines: Lines, by_head: Terms) -> Lines:
    """The lines with a factor [n] for each term."""

    def for_all_lines(factor: tf.Tensor) -> tf.Tensor:
        rows = size_of(lines.query, 0) // factor.shape[0]
        return tf.tile(factor[:, tf.newaxis, tf.newaxis], [rows, 1, 1])

    factors = {name: for_all_lines(x) for name, x in by_head.items()}
    return lines._replace(factors=factors)


def by_line(x: tf.Tensor, axis: str, heads: int) -> tf.Tensor:
    """[B, H, W, n * d] -> [b * n, L, d] along "height" or "width"."""
    x = _permute(x, _BY_LINE[axis], heads)
    return tf.reshape(x, [-1, *sizes_of(x)[3:]])


def by_place(x: tf.Tensor, axis: str, heads: int) -> tf.Tensor:
    """[B, H, W, n * d] -> [L, b * n, d] along "height" or "width"."""
    x = _permute(x, _BY_PLACE[axis], heads)
    return tf.reshape(x, [size_of(x, 0), -1, x.shape[-1]])


def every(x: tf.Tensor, axis: str, step: int) -> tf.Tensor:
    """Every `step`-th place of [B, H, W, C] along "height" or "width"."""
    if step == 1:
        return x
    return x[:, ::step] if axis == "height" else x[:, :, ::step]


def from_lines(
    x: tf.Tensor, like: tf.Tensor, axis: str, heads: int
) -> tf.Tensor:
    """[b * n, L, d] -> [B, H, W, n * d] with B, H, W of `like`."""
    return _restore(x, like, _BY_LINE[axis], heads)


def from_places(
    x: tf.Tensor, like: tf.Tensor, axis: str, heads: int
) -> tf.Tensor:
    """[L, b * n, d] -> [B, H, W, n * d] with B, H, W of `like`."""
    return _restore(x, like, _BY_PLACE[axis], heads)


def _permute(x: tf.Tensor, order: list[int], heads: int) -> tf.Tensor:
    depth = x.shape[-1] // heads
    x = tf.reshape(x, [*sizes_of(x)[:3], heads, depth])
    return tf.transpose(x, order)


def _restore(
    x: tf.Tensor, like: tf.Tensor, order: list[int], heads: int
) -> tf.Tensor:
    shape = [*sizes_of(like)[:3], heads, x.shape[-1]]
    x = tf.reshape(x, [shape[i] for i in order])
    x = tf.transpose(x, [order.index(i) for i in range(5)])
    return tf.reshape(x, [*shape[:3], heads * shape[4]])
