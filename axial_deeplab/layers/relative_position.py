"""Relative position tables and their indexing.

A table holds one embedding per offset "key position - query position"
(arXiv:2003.07853, Eq. 4: r_{p-o}), rows from -(max_distance - 1) to
max_distance - 1. Offsets beyond the table share its end rows.

A row or column of length L sees the offsets -(L - 1)..L - 1. Matrix products
with all of them are cheap; `offsets_to_keys` then reads [query, offset] as
[query, key] with two slices, and `keys_to_offsets` goes back. To that end the
offset axis has 2L entries, of which the last is never read.
"""

import tensorflow as tf

Length = tf.Tensor | int


def offset_window(table: tf.Tensor, length: Length) -> tf.Tensor:
    """Rows for the offsets -(L - 1)..L - 1 and one more.

    Args:
      table: [2 * max_distance - 1, d].
      length: number of positions L, static or dynamic.

    Returns:
      [2L, d]; row i is offset i - (L - 1), the last row is arbitrary.
    """
    max_distance = (table.shape[0] + 1) // 2
    first = _maximum(max_distance - length, 0)
    # Slices and repeats instead of a gather keep the gradient dense.
    before = _maximum(length - max_distance, 0)
    table = tf.concat(
        [
            tf.repeat(table[:1], before, axis=0),
            table,
            tf.repeat(table[-1:], before + 1, axis=0),
        ],
        axis=0,
    )
    return table[first : first + 2 * length]


def reverse_offsets(window: tf.Tensor) -> tf.Tensor:
    """The window read from the key's side: row i is offset (L - 1) - i."""
    return tf.concat([window[-2::-1], window[-1:]], axis=0)


def pairs_inside(length: Length, span: int | None = None) -> tf.Tensor:
    """[L, 2L] float32: 1 where the query has a key at the offset, else 0.

    Nothing outside the map is a key: a border query has fewer.
    """
    query = tf.range(length)[:, tf.newaxis]
    offset = tf.range(2 * length)[tf.newaxis] - (length - 1)
    key = query + offset
    inside = (key >= 0) & (key < length) & (offset < length)
    if span is not None:
        inside &= tf.abs(offset) <= (span - 1) // 2
    return tf.cast(inside, tf.float32)


def offsets_to_keys(x: tf.Tensor, length: Length) -> tf.Tensor:
    """[a, n, L (query), 2L (offset)] -> [a, n, L (query), L (key)]."""

    @tf.custom_gradient
    def read(x):
        return _read_keys(x, length), lambda dy: _spread_keys(dy, length)

    return read(x)


def keys_to_offsets(x: tf.Tensor, length: Length) -> tf.Tensor:
    """[a, n, L (query), L (key)] -> [a, n, L (query), 2L (offset)].

    Offsets that lead out of the map get 0. Transpose of `offsets_to_keys` as
    a linear map, so each is the other's gradient (and a faster one than the
    gradient of a slice).
    """

    @tf.custom_gradient
    def spread(x):
        return _spread_keys(x, length), lambda dy: _read_keys(dy, length)

    return spread(x)


def _read_keys(x: tf.Tensor, length: Length) -> tf.Tensor:
    # Entry (q, k - q + L - 1) stands at q (2L - 1) + k + L - 1 of the
    # flattened map: behind the first L - 1 entries, rows of 2L - 1 begin
    # with the keys of their query.
    a, n = tf.unstack(tf.shape(x)[:2])
    flat = tf.reshape(x, [a, n, 2 * length * length])
    behind = [a, n, length * (2 * length - 1)]
    flat = tf.slice(flat, [0, 0, length - 1], behind)
    rows = tf.reshape(flat, [a, n, length, 2 * length - 1])
    return tf.slice(rows, [0, 0, 0, 0], [a, n, length, length])


def _spread_keys(x: tf.Tensor, length: Length) -> tf.Tensor:
    a, n = tf.unstack(tf.shape(x)[:2])
    rows = tf.pad(x, [[0, 0], [0, 0], [0, 0], [0, length - 1]])
    flat = tf.reshape(rows, [a, n, length * (2 * length - 1)])
    flat = tf.pad(flat, [[0, 0], [0, 0], [length - 1, 1]])
    return tf.reshape(flat, [a, n, length, 2 * length])


def band(length: Length, span: int) -> tf.Tensor:
    """[L (query), L (key)] bool: keys within (span - 1) / 2 of the query."""
    position = tf.range(length)
    offset = position[tf.newaxis, :] - position[:, tf.newaxis]
    return tf.abs(offset) <= (span - 1) // 2


def _maximum(a: Length, b: Length) -> Length:
    """Stays a Python number for a static length."""
    return tf.maximum(a, b) if tf.is_tensor(a) else max(a, b)
