"""Row and column embeddings of the offsets in a two-dimensional window.

The embedding of an offset is that of its row next to that of its column
(arXiv:1906.05909, section 3.1), half of the depth each. A product with it is
the sum of two products: one is the same for all keys of a row, the other for
all keys of a column. A query (or key) so has as many products as its patch
has rows and columns, not as it has pixels. What lies outside of a window, or
of the image, is masked by such sums too.

In all shapes n counts heads and d channels of a head; s, c, y, x, i and j are
those of `local_blocks`.
"""

from typing import NamedTuple

import tensorflow as tf

from axial_deeplab.layers.chunks import size_of
from axial_deeplab.layers.line_attention import MASKED
from axial_deeplab.layers.local_blocks import BLOCK, Grid, Inside
from axial_deeplab.layers.relative_position import gather_rows


class Halves(NamedTuple):
    """What belongs to row offsets, and what to column offsets."""

    rows: tf.Tensor
    columns: tf.Tensor


def split_table(table: tf.Tensor, heads: int) -> Halves:
    """[window, n or 1, d] to [window, n, d'] and [window, n, d'']."""
    size, _, depth = table.shape
    table = tf.broadcast_to(table, [size, heads, depth])
    return split_depth(table)


def split_depth(x: tf.Tensor) -> Halves:
    """[..., d] to [..., d'] and [..., d''], of which d' has the odd channel."""
    columns = x.shape[-1] // 2
    return Halves(*tf.split(x, [x.shape[-1] - columns, columns], -1))


def spread(table: Halves, grid: Grid) -> Halves:
    """Embeddings by offset to [y, i, n, d'] and [x, j, n, d''] by place."""
    reach = size_of(table.rows, 0) // 2
    # Places that are in no common window get an embedding all the same.
    rows = (
        tf.clip_by_value(offset, -reach, reach) + reach
        for offset in _offsets(grid)
    )
    return Halves(*map(gather_rows, table, rows))


def in_window(grid: Grid) -> Halves:
    """[y, i] and [x, j] bool: whether rows, columns are in one window."""
    reached = (
        tf.abs(offset) <= reach
        for offset, reach in zip(_offsets(grid), grid.reach, strict=True)
    )
    return Halves(*reached)


def masks(grid: Grid, inside: Inside) -> Halves:
    """[s, 1, 1, y, 1, i] and [1, c, 1, 1, x, j], to be added to logits."""
    band = in_window(grid)
    rows = band.rows & inside.rows[:, tf.newaxis]
    columns = band.columns & inside.columns[:, tf.newaxis]
    return Halves(
        _as_mask(rows)[:, tf.newaxis, tf.newaxis, :, tf.newaxis],
        _as_mask(columns)[tf.newaxis, :, tf.newaxis, tf.newaxis],
    )


def query_products(query: tf.Tensor, table: Halves) -> Halves:
    """[s, c, n, y, x, d], `spread` -> [s, c, n, y, x, i] and [.., j]."""
    rows, columns = split_depth(query)
    return Halves(
        tf.einsum("scnyxd,yind->scnyxi", rows, table.rows),
        tf.einsum("scnyxd,xjnd->scnyxj", columns, table.columns),
    )


def key_products(key: tf.Tensor, table: Halves) -> Halves:
    """[s, c, n, i, j, d], `spread` -> [s, c, n, i, j, y] and [.., x]."""
    rows, columns = split_depth(key)
    return Halves(
        tf.einsum("scnijd,yind->scnijy", rows, table.rows),
        tf.einsum("scnijd,xjnd->scnijx", columns, table.columns),
    )


def retrieve_embeddings(weights: Halves, table: Halves) -> tf.Tensor:
    """Sums of weights [s, c, n, y, x, i] and [.., j] -> [s, c, n, y, x, d]."""
    rows = tf.einsum("scnyxi,yind->scnyxd", weights.rows, table.rows)
    columns = tf.einsum("scnyxj,xjnd->scnyxd", weights.columns, table.columns)
    return tf.concat([rows, columns], -1)


def pairs_of(rows: int, columns: int) -> tf.Tensor:
    """[rows * columns, rows + columns]: 1 at the row and the column of each.

    A matrix product with it spreads halves to pixels; one with its transpose
    sums pixels by row and by column.
    """
    by_row = tf.repeat(tf.eye(rows), columns, axis=0)
    return tf.concat([by_row, tf.tile(tf.eye(columns), [rows, 1])], 1)


def _as_mask(allowed: tf.Tensor) -> tf.Tensor:
    return tf.where(allowed, 0.0, MASKED)


def _offsets(grid: Grid) -> list[tf.Tensor]:
    """[y, i] and [x, j]: place of the key minus that of the query."""
    return [
        tf.range(size)[tf.newaxis] - tf.range(BLOCK)[:, tf.newaxis] - reach
        for size, reach in zip(grid.patch(), grid.reach, strict=True)
    ]
