"""Relative position tables and their indexing.

A table holds one embedding per offset "key position - query position"
(arXiv:2003.07853, Eq. 4: r_{p-o}), rows from -(max_distance - 1) to
max_distance - 1. Offsets beyond the table share its end rows.

`offset_window` reads the rows a line needs, in the order of their offsets;
`rows_by_pair` numbers them for every pair of a query and a key.
"""

import tensorflow as tf

from axial_deeplab.layers.chunks import Size, size_of

_PREFIX_BLOCK = 32


def gather_rows(table: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """[m, d], indices [...] -> [..., d], with a dense gradient.

    The gradient of `tf.gather` would be sparse, which optimizers treat apart.
    """
    count = table.shape[0] or tf.shape(table)[0]

    @tf.custom_gradient
    def gather(table):
        return tf.gather(table, rows), lambda dy: sum_rows(dy, rows, count)

    return gather(tf.convert_to_tensor(table))


def sum_rows(x: tf.Tensor, rows: tf.Tensor, count: Size) -> tf.Tensor:
    """[..., d], indices [...] -> [count, d]: transpose of `gather_rows`."""
    return tf.math.unsorted_segment_sum(x, rows, count)


def offset_window(table: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    """Embeddings of the given offsets.

    Args:
      table: [2 * max_distance - 1, d].
      offsets: [r] int32, key position - query position.

    Returns:
      [r, d].
    """
    reach = (table.shape[0] - 1) // 2
    return gather_rows(table, tf.clip_by_value(offsets, -reach, reach) + reach)


def rows_by_pair(
    queries: Size, keys: Size, start: Size, count: Size, step: int = 1
) -> tf.Tensor:
    """Rows of a window [step (queries - 1) + keys, d] by query and key.

    Row 0 is the offset of the first key from the last query.

    Args:
      queries: number of queries that the window serves.
      keys: number of keys.
      start: the first query wanted.
      count: how many; those behind the last query get rows that exist.
      step: how many places a query is from the next one.

    Returns:
      [count, keys] int32: key - step * (query - queries + 1).
    """
    query = start + tf.range(count)[:, tf.newaxis]
    key = tf.range(keys)[tf.newaxis]
    return tf.maximum(key - step * (query - queries + 1), 0)


def rows_inside(
    length: Size, reach: int | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Which rows of a window [2L - 1, d] each query of a line attends to.

    Nothing outside the map is a key: a border query has fewer.

    Args:
      length: L.
      reach: how far a key may be; None: any distance.

    Returns:
      First row [L], and the row behind the last [L], int32.
    """
    query = tf.range(length)
    first, end = length - 1 - query, 2 * length - 1 - query
    if reach is not None:
        first = tf.maximum(first, length - 1 - reach)
        end = tf.minimum(end, length + reach)
    return first, end


def sum_ranges(x: tf.Tensor, first: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """[2L - 1, d], [L], [L] -> [L, d]: sums of x[first:end].

    Each range must hold the middle row, as those of `rows_inside` do. Sums run
    from there to both sides: differences of long sums would lose digits.
    """
    middle = (size_of(x, 0) - 1) // 2
    before = _prefix_sums(x[middle::-1])
    behind = _prefix_sums(x[middle + 1 :])
    # In front of the first prefix sum is that of nothing.
    before, behind = (tf.pad(y, [[1, 0], [0, 0]]) for y in (before, behind))
    return gather_rows(before, middle + 1 - first) + gather_rows(
        behind, end - middle - 1
    )


def _prefix_sums(x: tf.Tensor) -> tf.Tensor:
    """Cumulative sum of [r, d] along the rows, in two levels.

    One running sum over a thousand rows drifts by 1e-5 where rows repeat.
    """
    rows, depth = size_of(x, 0), x.shape[-1]
    blocks = -(-rows // _PREFIX_BLOCK)
    x = tf.pad(x, [[0, blocks * _PREFIX_BLOCK - rows], [0, 0]])
    inner = tf.cumsum(tf.reshape(x, [blocks, _PREFIX_BLOCK, depth]), axis=1)
    outer = tf.cumsum(inner[:, -1:], axis=0, exclusive=True)
    return tf.reshape(inner + outer, [-1, depth])[:rows]
