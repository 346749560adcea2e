"""Attention of blocks of queries to the patches around them.

Softmax over the keys that are in the window of a query and in the map, of
logits with up to two position terms (arXiv:2003.07853, Eq. 2 and 3). Logits
exist for one tile of blocks at a time, in the gradient as well. For letters
in shapes see `local_embeddings`.
"""

import tensorflow as tf

from axial_deeplab.layers.chunks import FLOAT_BYTES, sizes_of
from axial_deeplab.layers.local_blocks import BLOCK, Grid, map_blocks
from axial_deeplab.layers.local_embeddings import (
    Halves,
    in_window,
    key_products,
    masks,
    pairs_of,
    query_products,
    retrieve_embeddings,
    spread,
)

# Embeddings by the name of a position term: "query", "key", "value".
Terms = dict[str, Halves]

# Maps of logits that are alive at once in a tile, and in its gradient.
_MAPS, _GRADIENT_MAPS = 4, 6


def block_bytes(
    reach: tuple[int, int], heads: int, depth: int, training: bool
) -> int:
    """Memory that a block takes: logits, keys and values of its patch."""
    rows, columns = (BLOCK + 2 * side for side in reach)
    by_key = BLOCK**2 + 2 * (BLOCK + depth)
    maps = _GRADIENT_MAPS if training else _MAPS
    return FLOAT_BYTES * maps * heads * rows * columns * by_key


def attend(
    query: tf.Tensor,
    memory: tf.Tensor,
    factor: tf.Tensor,
    terms: Terms,
    grid: Grid,
) -> list[tf.Tensor]:
    """Attention of every pixel to those that the grid reaches.

    The logits are factor * query . key, plus query . embedding with a "query"
    term, plus key . embedding with a "key" term.

    Args:
      query: [B, H, W, n * d].
      memory: [B, H, W, 2 * n * d], all keys and then all values.
      factor: [n].
      terms: embeddings [window, n, .] by offset.
      grid: how to cut, and how far a window reaches.

    Returns:
      [B, H, W, n * d]: what is retrieved of the values and, with a "value"
      term, of its embeddings.
    """
    heads = factor.shape[0]
    factor = tf.reshape(factor, [heads, 1, 1, 1])
    by_place = {name: spread(x, grid) for name, x in terms.items()}

    def of_blocks(query, memory, shared, inside):
        query = _by_head(query, heads)
        key, value = _keys_and_values(memory, heads)
        factor, by_place = shared
        logits = _content(query * factor, key, by_place.get("key"))
        logits += _position(query, by_place.get("query"), masks(grid, inside))
        retrieved = _retrieve(
            tf.nn.softmax(logits), value, by_place.get("value")
        )
        return tf.concat([_from_heads(x) for x in retrieved], -1)

    outputs = map_blocks(of_blocks, query, memory, (factor, by_place), grid)
    return tf.split(outputs, 2 if "value" in terms else 1, -1)


def content_sums(
    query: tf.Tensor, key: tf.Tensor, heads: int, grid: Grid
) -> tf.Tensor:
    """[B, H, W, n * d] twice -> [2, n]: sums of q . k and of its square.

    Over all pairs in one window; the arguments are those of `attend`.
    """

    def of_blocks(query, key, _, inside):
        del inside  # keys outside of the images are zero and add nothing
        query, key = (_by_head(x, heads) for x in (query, key))
        logits = _content(query, key, None) * _band(grid)
        sums = [tf.reduce_sum(x, -1) for x in (logits, tf.square(logits))]
        sums = tf.reshape(tf.stack(sums, -1), [*sizes_of(query)[:5], 2])
        return _from_heads(sums)

    sums = map_blocks(of_blocks, query, key, (), grid)
    sums = tf.reshape(tf.reduce_sum(sums, [0, 1, 2]), [heads, 2])
    return tf.transpose(sums)


def _band(grid: Grid) -> tf.Tensor:
    """[y * x, i * j]: 1 for pairs in one window, else 0."""
    rows, columns = in_window(grid)
    band = rows[:, tf.newaxis, :, tf.newaxis] & columns[:, tf.newaxis]
    return tf.reshape(tf.cast(band, tf.float32), [BLOCK**2, -1])


def _content(
    query: tf.Tensor, key: tf.Tensor, table: Halves | None
) -> tf.Tensor:
    """Logits [s, c, n, y * x, i * j] of content and of the key term."""
    if table is not None:
        ones = tf.reshape(pairs_of(BLOCK, BLOCK), [BLOCK, BLOCK, -1])
        ones = tf.broadcast_to(ones, [*sizes_of(query)[:5], 2 * BLOCK])
        query = tf.concat([query, ones], -1)
        key = tf.concat([key, *key_products(key, table)], -1)
    return tf.matmul(_flat(query), _flat(key), transpose_b=True)


def _position(
    query: tf.Tensor, table: Halves | None, mask: Halves
) -> tf.Tensor:
    """Logits [s, c, n, y * x, i * j] of the query term, masked."""
    halves = list(mask)
    if table is not None:
        products = query_products(query, table)
        halves = [
            one + other for one, other in zip(products, mask, strict=True)
        ]
    sizes = sizes_of(query)[:5]
    sides = [half.shape[-1] for half in halves]
    halves = [
        tf.broadcast_to(half, [*sizes, side])
        for half, side in zip(halves, sides, strict=True)
    ]
    flat = tf.reshape(tf.concat(halves, -1), [-1, sum(sides)])
    # One product for all heads and blocks, as fast as a pass over its result.
    logits = tf.matmul(flat, pairs_of(*sides), transpose_b=True)
    return tf.reshape(logits, [*sizes[:3], BLOCK**2, sides[0] * sides[1]])


def _retrieve(
    weights: tf.Tensor, value: tf.Tensor, table: Halves | None
) -> list[tf.Tensor]:
    """[s, c, n, y, x, d] of values and, with a table, of embeddings."""
    sides = value.shape[3:5]
    sizes = [*sizes_of(weights)[:3], BLOCK, BLOCK]
    content = tf.matmul(weights, _flat(value))
    retrieved = [tf.reshape(content, [*sizes, value.shape[-1]])]
    if table is not None:
        flat = tf.reshape(weights, [-1, sides[0] * sides[1]])
        sums = tf.reshape(
            tf.matmul(flat, pairs_of(*sides)), [*sizes, sum(sides)]
        )
        halves = Halves(*tf.split(sums, sides, -1))
        retrieved.append(retrieve_embeddings(halves, table))
    return retrieved


def _by_head(x: tf.Tensor, heads: int) -> tf.Tensor:
    """[s, y, c, x, n * d] -> [s, c, n, y, x, d]."""
    x = tf.reshape(x, [*sizes_of(x)[:4], heads, x.shape[-1] // heads])
    return tf.transpose(x, [0, 2, 4, 1, 3, 5])


def _keys_and_values(x: tf.Tensor, heads: int) -> list[tf.Tensor]:
    """[s, i, c, j, 2 * n * d] -> [s, c, n, i, j, d] twice."""
    depth = x.shape[-1] // (2 * heads)
    x = tf.reshape(x, [*sizes_of(x)[:4], 2, heads, depth])
    # Both are one tensor, of which the first axis is taken apart at no cost.
    return tf.unstack(tf.transpose(x, [4, 0, 2, 5, 1, 3, 6]))


def _from_heads(x: tf.Tensor) -> tf.Tensor:
    """[s, c, n, y, x, d] -> [s, y, c, x, n * d]."""
    x = tf.transpose(x, [0, 3, 1, 4, 2, 5])
    return tf.reshape(x, [*sizes_of(x)[:4], x.shape[4] * x.shape[5]])


def _flat(x: tf.Tensor) -> tf.Tensor:
    """[s, c, n, y, x, d] -> [s, c, n, y * x, d]."""
    sizes = sizes_of(x)
    return tf.reshape(x, [*sizes[:3], sizes[3] * sizes[4], sizes[5]])
