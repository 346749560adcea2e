"""Relative position tables and their indexing.

A table holds one embedding per offset "key position - query position"
(arXiv:2003.07853, Eq. 4: r_{p-o}), rows from -(max_distance - 1) to
max_distance - 1. Offsets beyond the table share its end rows.
"""

import tensorflow as tf


def offset_window(table: tf.Tensor, length: tf.Tensor | int) -> tf.Tensor:
    """Rows for the offsets -(length-1)..length-1.

    Args:
      table: [2 * max_distance - 1, d].
      length: number of positions L, static or dynamic.

    Returns:
      [2 * L - 1, d]; row i is offset i - (L - 1).
    """
    max_distance = (table.shape[0] + 1) // 2
    # Slices and repeats instead of a gather keep the gradient dense.
    beyond = tf.maximum(length - max_distance, 0)
    table = tf.concat(
        [
            tf.repeat(table[:1], beyond, axis=0),
            table,
            tf.repeat(table[-1:], beyond, axis=0),
        ],
        axis=0,
    )
    first = tf.maximum(max_distance - length, 0)
    return table[first : first + 2 * length - 1]


def by_query_and_key(window: tf.Tensor, length: tf.Tensor | int) -> tf.Tensor:
    """Spreads [2L-1, d] to [L (query), L (key), d]."""
    position = tf.range(length)
    offset = position[tf.newaxis, :] - position[:, tf.newaxis]
    return tf.gather(window, offset + length - 1)


def band(length: tf.Tensor | int, span: int) -> tf.Tensor:
    """[L (query), L (key)] bool: keys within (span - 1) / 2 of the query.

    Positions outside the map do not exist: a border query has fewer keys.
    """
    position = tf.range(length)
    offset = position[tf.newaxis, :] - position[:, tf.newaxis]
    return tf.abs(offset) <= (span - 1) // 2
