"""Attention weights to look at (arXiv:2003.07853, Figures 7 and 8).

Layers never store their weights (`attention_ops`). Those of a few queries are
cheap to compute once more, and what a layer is given inside a model can be
recorded.
"""

import contextlib
import contextvars
from collections.abc import Iterator, Sequence

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.chunks import size_of
from axial_deeplab.layers.relative_position import offset_window

_recorded = contextvars.ContextVar("recorded", default=None)


@contextlib.contextmanager
def recorded_inputs() -> Iterator[
    list[tuple[tf_keras.layers.Layer, tf.Tensor]]
]:
    """A list that gets each attention layer called inside, and its input."""
    record = []
    token = _recorded.set(record)
    try:
        yield record
    finally:
        _recorded.reset(token)


def note_input(layer: tf_keras.layers.Layer, x: tf.Tensor) -> None:
    """Adds to the record, if there is one."""
    record = _recorded.get()
    if record is not None:
        record.append((layer, x))


def attention_weights(
    layer: tf_keras.layers.Layer, x: tf.Tensor, queries: Sequence[int]
) -> tf.Tensor:
    """Weights that the queries of some rows or columns give to their keys.

    Those of inference, whose norms use moving statistics. Needs memory for
    as many maps as the result holds.

    Args:
      layer: a built `AxialAttention`.
      x: its input [B, H, W, C].
      queries: rows of the queries if the layer attends along the height,
        their columns if along the width.

    Returns:
      [B, heads, queries, H, W] float32: at (h, w) the weight of the key there
      for the query in the same column (row). Along the axis they add up to
      1; outside the span they are 0.

    Raises:
      tf.errors.InvalidArgumentError: a query is outside the map.
    """
    if layer.axis == "width":
        return _line_weights(layer, x, queries)
    swapped = _line_weights(layer, tf.transpose(x, [0, 2, 1, 3]), queries)
    return tf.transpose(swapped, [0, 1, 2, 4, 3])


def _line_weights(
    layer: tf_keras.layers.Layer, x: tf.Tensor, queries: Sequence[int]
) -> tf.Tensor:
    """[B, H, W, C], [q] -> [B, n, q, H, W], each row by itself."""
    width = size_of(x, 2)
    queries = tf.convert_to_tensor(queries, tf.int32)
    tf.debugging.assert_equal(
        queries,
        tf.clip_by_value(queries, 0, width - 1),
        f"`queries` must be places along the {layer.axis}, 0 to {width - 1}.",
    )
    offsets = tf.range(width) - queries[:, tf.newaxis]
    query, key = _project(layer, x)
    query = tf.gather(query, queries, axis=2)
    logits = _logits(layer, query, key, offsets)
    if layer.span is not None:
        beyond = tf.abs(offsets) > (layer.span - 1) // 2
        logits = tf.where(beyond[:, tf.newaxis], -float("inf"), logits)
    return tf.nn.softmax(logits)


def _project(
    layer: tf_keras.layers.Layer, x: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Normalised queries and keys [B, H, W, n, d], float32."""
    factor, offset = layer.qkv_norm.affine()
    depths = 2 * layer.key_filters
    kernel = (layer.qkv_kernel * factor)[:, :depths]
    x = tf.cast(x, layer.compute_dtype)
    y = tf.tensordot(x, tf.cast(kernel, x.dtype), 1)
    y = tf.cast(y, tf.float32) + offset[:depths]
    by_head = [*tf.unstack(tf.shape(x)[:3]), layer.heads, -1]
    query, key = (tf.reshape(part, by_head) for part in tf.split(y, 2, -1))
    return query, key


def _logits(
    layer: tf_keras.layers.Layer,
    query: tf.Tensor,
    key: tf.Tensor,
    offsets: tf.Tensor,
) -> tf.Tensor:
    """The sum of the terms [B, n, q, H, W], each normalised.

    What the norms add is left out: it is the same for all keys.
    """
    terms = [tf.einsum("bhqnd,bhwnd->bnqhw", query, key)]
    if layer.options.query:
        embeddings = _embeddings(layer.query_position, offsets)
        terms.append(tf.einsum("bhqnd,qwd->bnqhw", query, embeddings))
    if layer.options.key:
        embeddings = _embeddings(layer.key_position, offsets)
        terms.append(tf.einsum("bhwnd,qwd->bnqhw", key, embeddings))
    factors, _ = layer.similarity_norm.affine()
    factors = tf.reshape(factors, [len(terms), layer.heads, 1, 1, 1])
    return tf.add_n(
        [
            term * factor
            for term, factor in zip(terms, tf.unstack(factors), strict=True)
        ]
    )


def _embeddings(table: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    """[m, d], [q, W] -> [q, W, d]."""
    rows = offset_window(table, tf.reshape(offsets, [-1]))
    return tf.reshape(rows, [*tf.unstack(tf.shape(offsets)), -1])
