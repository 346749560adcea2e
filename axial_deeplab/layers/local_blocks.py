"""Blocks of queries of a map, each with the patch of keys around it.

Local attention needs for every query the keys of a window around it. Queries
are taken in blocks, whose windows overlap so much that a block's keys are one
patch: 10 x 10 keys serve 4 x 4 queries with 7 x 7 windows. The patches of a
whole map would be six times its size; they exist for one tile at a time.

The images of a batch are stacked to one tall map, with the rows between them
that keep windows apart, so that one loop over rows serves them all.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from axial_deeplab.layers.chunks import (
    Size,
    Tensors,
    cut_axis,
    even_part,
    larger,
    pad_axis,
    size_of,
    sizes_of,
    smaller,
)
from axial_deeplab.layers.windowed_chunks import map_tiles

# Rows and columns of a block. In larger ones more pairs are in no window, and
# smaller ones copy more keys.
BLOCK = 4


class Inside(NamedTuple):
    """Which rows [s, i] and columns [c, j] of patches are in an image, bool."""

    rows: tf.Tensor
    columns: tf.Tensor


class Grid(NamedTuple):
    """A batch of maps as one tall map, and how it is cut.

    `height` and `width` are those of an image, whose rows start every `period`
    rows; a patch reaches `reach` (rows, columns) beyond its block; a tile has
    `blocks` (down, across).
    """

    height: Size
    width: Size
    period: Size
    reach: tuple[int, int]
    blocks: tuple[Size, Size]

    def patch(self) -> tuple[int, int]:
        """Rows and columns of a patch."""
        return tuple(BLOCK + 2 * reach for reach in self.reach)

    def tile(self) -> tuple[Size, Size]:
        """Rows and columns of a tile."""
        return tuple(BLOCK * count for count in self.blocks)


# (blocks [s, y, c, x, F], patches [s, i, c, j, G], shared, inside) -> outputs
# [s, y, c, x, O]: s and c count blocks down and across, y and x are places in
# a block, i and j in its patch; `shared` is a nest of tensors.
BlockFunction = Callable[[tf.Tensor, tf.Tensor, Tensors, Inside], tf.Tensor]


def plan_grid(
    x: tf.Tensor,
    reach: tuple[int, int],
    period: Size,
    block_bytes: int,
    limit: int,
) -> Grid:
    """Tiles of as many blocks as a limit of bytes allows, at least of one.

    Args:
      x: [B, H, W, C], of which only the size counts.
      reach: rows and columns of a patch beyond its block.
      period: at least H plus the rows that a patch reaches.
      block_bytes: memory that a block takes.
      limit: memory that a tile may take.
    """
    images, height, width = sizes_of(x)[:3]
    down, across = -(-images * period // BLOCK), -(-width // BLOCK)
    at_once = max(limit // block_bytes, 1)
    beside = smaller(across, at_once)
    below = larger(at_once // beside, 1)
    blocks = even_part(down, below), even_part(across, beside)
    return Grid(height, width, period, reach, blocks)


def map_blocks(
    function: BlockFunction,
    query: tf.Tensor,
    memory: tf.Tensor,
    shared: Tensors,
    grid: Grid,
) -> tf.Tensor:
    """Applies `function` to all blocks, each with its patch.

    Args:
      function: see `BlockFunction`. What it is given is zero outside of the
        images; what it returns there is dropped.
      query: [B, H, W, F], cut to blocks.
      memory: [B, H, W, G], cut to patches.
      shared: nest of tensors.
      grid: how to cut.

    Returns:
      [B, H, W, O].
    """

    def of_tile(tile, window, shared, start):
        outputs = function(
            cut_patches(tile, (0, 0)),
            cut_patches(window, grid.reach),
            shared,
            _inside(window, start, grid),
        )
        return tf.reshape(outputs, [*sizes_of(tile)[:2], outputs.shape[-1]])

    outputs = map_tiles(
        of_tile,
        _tall(query, (0, 0), grid),
        _tall(memory, grid.reach, grid),
        shared,
        grid.tile(),
        grid.reach,
    )
    images, depth = size_of(query, 0), outputs.shape[-1]
    outputs = cut_axis(outputs, 0, images * grid.period, 0)
    outputs = cut_axis(outputs, 0, grid.width, 1)
    outputs = tf.reshape(outputs, [images, grid.period, grid.width, depth])
    return cut_axis(outputs, 0, grid.height, 1)


def cut_patches(x: tf.Tensor, reach: tuple[int, int]) -> tf.Tensor:
    """[rows, columns, C] -> [s, i, c, j, C], blocks and what they reach."""
    return _overlap(_overlap(x, 0, reach[0]), 2, reach[1])


def _overlap(x: tf.Tensor, axis: int, reach: int) -> tf.Tensor:
    """Cuts an axis to patches, one every `BLOCK`; they are its next axis."""
    sizes = sizes_of(x)
    count = (sizes[axis] - 2 * reach) // BLOCK
    more = -(-2 * reach // BLOCK)
    x = pad_axis(x, axis, 0, more * BLOCK - 2 * reach)
    sizes[axis : axis + 1] = [count + more, BLOCK]
    x = tf.reshape(x, sizes)
    parts, left = [], BLOCK + 2 * reach
    for first in range(more + 1):
        part = cut_axis(x, first, count, axis)
        parts.append(cut_axis(part, 0, min(left, BLOCK), axis + 1))
        left -= BLOCK
    return tf.concat(parts, axis + 1)


def _tall(x: tf.Tensor, margin: tuple[int, int], grid: Grid) -> tf.Tensor:
    """[B, H, W, C] -> [rows, columns, C], whole tiles and their margins."""
    x = pad_axis(x, 1, 0, grid.period - grid.height)
    images, period, width, depth = sizes_of(x)
    x = tf.reshape(x, [images * period, width, depth])
    for axis, size in enumerate(grid.tile()):
        behind = -size_of(x, axis) % size
        x = pad_axis(x, axis, margin[axis], margin[axis] + behind)
    return x


def _inside(window: tf.Tensor, start: tuple[Size, Size], grid: Grid) -> Inside:
    places = []
    for axis, reach in enumerate(grid.reach):
        count = (size_of(window, axis) - 2 * reach) // BLOCK
        first = start[axis] - reach + BLOCK * tf.range(count)
        place = first[:, tf.newaxis] + tf.range(BLOCK + 2 * reach)
        places.append(place)
    row, column = tf.math.floormod(places[0], grid.period), places[1]
    return Inside(row < grid.height, (column >= 0) & (column < grid.width))
