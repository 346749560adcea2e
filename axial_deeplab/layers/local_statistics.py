"""Moments of the logits of windows, without the logits of a whole map.

As in `logit_statistics`: sums over all pairs of what depends on a position
follow from first and second moments of the embeddings, by row and by column.
Those of the content term are added up block by block.
"""

import tensorflow as tf

from axial_deeplab.layers.chunks import Size, sizes_of
from axial_deeplab.layers.local_blocks import Grid
from axial_deeplab.layers.local_embeddings import Halves, split_depth
from axial_deeplab.layers.local_ops import Terms, content_sums
from axial_deeplab.layers.normalization import Moments


def logit_moments(
    query: tf.Tensor,
    key: tf.Tensor,
    terms: Terms,
    heads: int,
    reach: int,
    grid: Grid,
) -> Moments:
    """Moments [terms, n] of content, query position, key position.

    Args:
      query: [B, H, W, n * d].
      key: [B, H, W, n * d].
      terms: embeddings [window, n, .] by offset; "value" is ignored.
      heads: n.
      reach: (window - 1) / 2.
      grid: how to cut, and how far a window reaches in this map.
    """
    images, height, width, filters = sizes_of(query)
    offset = tf.range(-reach, reach + 1)
    # From a key, its query is at the negative offset.
    inside = {
        name: Halves(_inside(height, side), _inside(width, side))
        for name, side in (("query", offset), ("key", -offset))
    }
    sums = [content_sums(query, key, heads, grid)]
    for name, x in (("query", query), ("key", key)):
        if name in terms:
            x = tf.reshape(x, [images, height, width, heads, filters // heads])
            sums.append(position_sums(x, terms[name], inside[name]))
    counts = [tf.reduce_sum(half) for half in inside["query"]]
    pairs = tf.cast(images, tf.float32) * counts[0] * counts[1]
    total, squares = tf.unstack(tf.stack(sums, axis=1))
    return Moments(total, squares, pairs)


def position_sums(x: tf.Tensor, table: Halves, inside: Halves) -> tf.Tensor:
    """[2, n]: sums of x . r and of its square over pixels and offsets.

    A product is a + b, a of the rows and b of the columns; offsets combine
    all rows with all columns.

    Args:
      x: [B, H, W, n, d], queries or keys.
      table: embeddings [window, n, .] by offset.
      inside: [H, window] and [W, window], 1 where the offset leads to a pixel
        of the map, else 0.
    """
    rows, columns = split_depth(x)
    row_sum, row_squares = _axis_sums(rows, table.rows, inside.rows, "h")
    column_sum, column_squares = _axis_sums(
        columns, table.columns, inside.columns, "w"
    )
    row_count, column_count = (
        tf.reduce_sum(half, 1)[:, tf.newaxis] for half in inside
    )
    row_count = row_count[:, tf.newaxis]
    total = row_sum * column_count + column_sum * row_count
    squares = row_squares * column_count + column_squares * row_count
    squares += 2.0 * row_sum * column_sum
    return tf.stack([tf.reduce_sum(y, [0, 1, 2]) for y in (total, squares)])


def _axis_sums(
    x: tf.Tensor, table: tf.Tensor, inside: tf.Tensor, axis: str
) -> tuple[tf.Tensor, tf.Tensor]:
    """[B, H, W, n] twice: sums of x . r and of its square over one axis.

    `axis` is "h" or "w", the axis whose offsets `inside` [H or W, window] and
    the embeddings `table` [window, n, d] are for.
    """
    grams = table[..., tf.newaxis] * table[:, :, tf.newaxis]
    table, grams = (
        tf.tensordot(inside, moment, 1) for moment in (table, grams)
    )
    by_gram = tf.einsum(f"bhwnd,{axis}nde->bhwne", x, grams)
    return (
        tf.einsum(f"bhwnd,{axis}nd->bhwn", x, table),
        tf.reduce_sum(x * by_gram, -1),
    )


def _inside(length: Size, offset: tf.Tensor) -> tf.Tensor:
    """[length, window] float32: 1 where place + offset is a place."""
    place = tf.range(length)[:, tf.newaxis] + offset
    return tf.cast((place >= 0) & (place < length), tf.float32)
