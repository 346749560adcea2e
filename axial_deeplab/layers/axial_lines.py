"""Maps to the lines of one axis and back.

A map is [B, H, W, n * d] with n heads. By line it is [b * n, L, d], by place
[L, b * n, d], where b counts the rows (or columns) of all images.
"""

import tensorflow as tf

from axial_deeplab.layers.chunks import size_of, sizes_of

# Axes of [B, H, W, n, d] in the order of lines and of places.
_BY_LINE = {"height": [0, 2, 3, 1, 4], "width": [0, 1, 3, 2, 4]}
_BY_PLACE = {"height": [1, 0, 2, 3, 4], "width": [2, 0, 1, 3, 4]}


def project(
    x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor | None
) -> tf.Tensor:
    """[B, H, W, C], [C, F] -> [B, H, W, F] float32, as one matrix product."""
    flat = tf.reshape(x, [-1, x.shape[-1]])
    y = tf.cast(tf.matmul(flat, tf.cast(kernel, x.dtype)), tf.float32)
    if bias is not None:
        y = tf.nn.bias_add(y, bias)
    return tf.reshape(y, [*sizes_of(x)[:3], kernel.shape[1]])


def by_line(x: tf.Tensor, axis: str, heads: int) -> tf.Tensor:
    """[B, H, W, n * d] -> [b * n, L, d] along "height" or "width"."""
    x = _permute(x, _BY_LINE[axis], heads)
    return tf.reshape(x, [-1, *sizes_of(x)[3:]])


def by_place(x: tf.Tensor, axis: str, heads: int) -> tf.Tensor:
    """[B, H, W, n * d] -> [L, b * n, d] along "height" or "width"."""
    x = _permute(x, _BY_PLACE[axis], heads)
    return tf.reshape(x, [size_of(x, 0), -1, x.shape[-1]])


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
