"""Loops over parts of tensors: only one part's temporaries are alive."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

# A number that may be known only when the graph runs.
Size = tf.Tensor | int
FLOAT_BYTES = 4
# A tensor, or a nest of tensors.
Tensors = Any


def size_of(x: tf.Tensor, axis: int) -> Size:
    """Length of an axis: an int where it is known, else a tensor."""
    return x.shape[axis] or tf.shape(x)[axis]


def sizes_of(x: tf.Tensor) -> list[Size]:
    """Lengths of all axes, ints where they are known."""
    return [size_of(x, axis) for axis in range(len(x.shape))]


def smaller(a: Size, b: Size) -> Size:
    """Minimum; stays a Python number for static sizes."""
    known = isinstance(a, int) and isinstance(b, int)
    return min(a, b) if known else tf.minimum(a, b)


def larger(a: Size, b: Size) -> Size:
    """Maximum; stays a Python number for static sizes."""
    known = isinstance(a, int) and isinstance(b, int)
    return max(a, b) if known else tf.maximum(a, b)


def cut_axis(x: tf.Tensor, start: Size, size: Size, axis: int) -> tf.Tensor:
    """`size` entries along one axis; its gradient is fast, unlike x[...]."""
    rank = len(x.shape)
    begin, sizes = [0] * rank, [-1] * rank
    begin[axis], sizes[axis] = start, size
    y = tf.slice(x, begin, sizes)
    known = x.shape.as_list()
    known[axis] = size if isinstance(size, int) else None
    return tf.ensure_shape(y, known)


def pad_axis(x: tf.Tensor, axis: int, before: Size, behind: Size) -> tf.Tensor:
    """Zeros before and behind along one axis."""
    if isinstance(before, int) and isinstance(behind, int):
        if before == behind == 0:
            return x
    paddings = [[0, 0]] * len(x.shape)
    paddings[axis] = [before, behind]
    return tf.pad(x, paddings)


def even_part(count: Size, limit: Size) -> Size:
    """Size of parts of at most `limit` that fill few zeros up."""
    if isinstance(count, int) and isinstance(limit, int):
        for size in range(min(count, limit), limit // 2, -1):
            if count % size == 0:
                return size
    parts = -(-count // limit)
    return -(-count // parts)


def scan_chunks(
    step: Callable[[Tensors, Size, Tensors], tuple[Tensors, Tensors]],
    tensors: Tensors,
    carry: Tensors,
    like: Tensors,
    size: Size,
    axis: Tensors = 0,
) -> tuple[Tensors, Tensors]:
    """Applies `step` to chunk after chunk of an axis.

    The graph holds `step` once, however many chunks there are. The last chunk
    is filled up with zeros; what `step` returns for them is dropped.

    Args:
      step: (carry, start of the chunk, chunk) -> (carry, outputs).
      tensors: nest of tensors, all of one length along their axis.
      carry: nest of tensors that `step` hands on.
      like: nest of the form of the outputs (float32) with the axis along
        which each is put together.
      size: length of a chunk.
      axis: axis to cut: one for all, or a nest like `tensors`.

    Returns:
      The last carry, and the outputs put together.
    """
    if isinstance(axis, int):
        axis = tf.nest.map_structure(lambda _: axis, tensors)
    total = size_of(tf.nest.flatten(tensors)[0], tf.nest.flatten(axis)[0])
    count = -(-total // size)
    if isinstance(count, int) and count == 1:
        return step(carry, 0, tensors)
    padded = tf.nest.map_structure(
        lambda x, at: pad_axis(x, at, 0, count * size - total), tensors, axis
    )

    def at_index(index, carry):
        start = index * size
        chunk = tf.nest.map_structure(
            lambda x, at: cut_axis(x, start, size, at), padded, axis
        )
        return step(carry, start, chunk)

    carry, stacked = _loop(at_index, carry, like, count)
    outputs = tf.nest.map_structure(
        lambda x, at: cut_axis(_join(x, at), 0, total, at), stacked, like
    )
    return carry, outputs


def _loop(
    step: Callable[[tf.Tensor, Tensors], tuple[Tensors, Tensors]],
    carry: Tensors,
    like: Tensors,
    count: Size,
) -> tuple[Tensors, Tensors]:
    """The last carry, and the outputs of all steps stacked."""
    arrays = tf.nest.map_structure(
        lambda _: tf.TensorArray(tf.float32, count), like
    )

    def body(index, carry, arrays):
        new, outputs = step(index, carry)
        new = tf.nest.map_structure(
            lambda x, old: tf.ensure_shape(x, old.shape), new, carry
        )
        arrays = tf.nest.map_structure(
            lambda array, y: array.write(index, y), arrays, outputs
        )
        return index + 1, new, arrays

    _, carry, arrays = tf.while_loop(
        lambda index, *_: index < count,
        body,
        (0, carry, arrays),
        parallel_iterations=1,
        maximum_iterations=count,
    )
    return carry, tf.nest.map_structure(lambda array: array.stack(), arrays)


def _join(stacked: tf.Tensor, axis: int) -> tf.Tensor:
    """[chunks, ..., size, ...] -> [..., chunks * size, ...]."""
    if axis:
        order = list(range(1, len(stacked.shape)))
        order.insert(axis, 0)
        stacked = tf.transpose(stacked, order)
    sizes = sizes_of(stacked)
    joined = sizes[axis] * sizes[axis + 1]
    return tf.reshape(stacked, [*sizes[:axis], joined, *sizes[axis + 2 :]])
