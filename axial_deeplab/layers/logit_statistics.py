"""Moments of attention logits, without the logits.

The batch norm of a logit term needs the sum and the sum of squares over all
pairs of a row. Both follow from first and second moments of queries, keys and
embeddings; only the content term under a span, whose pairs are a band, is
computed block by block.
"""

import tensorflow as tf

from axial_deeplab.layers import chunks, span_blocks
from axial_deeplab.layers.chunks import FLOAT_BYTES, size_of
from axial_deeplab.layers.line_attention import Terms, sum_by_line, swap
from axial_deeplab.layers.normalization import Moments
from axial_deeplab.layers.relative_position import rows_inside, sum_ranges
from axial_deeplab.layers.span_blocks import Layout


@tf.custom_gradient
def fork(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Twice x; the two gradients are added once both are there.

    Of three summands and more TensorFlow makes an accumulator, and allocates
    its zeros when a step begins. It does not see through the reshapes here.
    """

    def gradient(a, b):
        total = tf.reshape(a, [-1]) + tf.reshape(b, [-1])
        return tf.reshape(total, tf.shape(a))

    return (tf.identity(x), tf.identity(x)), gradient


def logit_moments(
    query: tf.Tensor,
    key: tf.Tensor,
    windows: Terms,
    layout: Layout,
    heads: int,
    logits_bytes: int,
) -> Moments:
    """Moments [terms, heads] of content, query position, key position.

    Args:
      query: [n, L, d], those of whole rows, head by head.
      key: [n, L, d].
      windows: [2L - 1, d] by term in use; row r is the offset r - (L - 1).
      layout: which pairs count.
      heads: number of heads.
      logits_bytes: bound of the memory for logits under a span.
    """
    first, end = rows_inside(layout.length, layout.reach)
    if layout.reach is None:
        sums = [content_moments(query, key)]
    else:
        sums = [band_moments(query, key, layout, logits_bytes)]
    # Whoever is at offset r of a query has that query at offset -r.
    for name, x, step in (("query", query, 1), ("key", key, -1)):
        if name in windows:
            window = windows[name][::step]
            sums.append(position_moments(x, window, first, end))
    by_head = tf.reshape(tf.stack(sums), [len(sums), 2, -1, heads])
    total, squares = tf.unstack(tf.reduce_sum(by_head, 2), axis=1)
    rows = tf.cast(size_of(query, 0) // heads, tf.float32)
    pairs = tf.cast(tf.reduce_sum(end - first), tf.float32)
    return Moments(total, squares, rows * pairs)


def moments_of(maps: list[tf.Tensor]) -> Moments:
    """Moments [maps, C] of maps [B, H, W, C] over their pixels."""
    sums = tf.stack([_pixel_sums(x) for x in maps], axis=1)
    total, squares = tf.unstack(sums)
    pixels = tf.cast(tf.reduce_prod(tf.shape(maps[0])[:3]), tf.float32)
    return Moments(total, squares, pixels)


@tf.custom_gradient
def _pixel_sums(x: tf.Tensor) -> tf.Tensor:
    """[B, H, W, C] -> [2, C]: sums of x and its square.

    Its own gradient, as TensorFlow's would store maps of repeated numbers.
    """
    sums = [tf.reduce_sum(y, [0, 1, 2]) for y in (x, tf.square(x))]
    return tf.stack(sums), lambda dy: x * (2.0 * dy[1]) + dy[0]


@tf.custom_gradient
def content_moments(query: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """[n, L, d] twice -> [2, n]: sums of q.k and its square, all pairs.

    Its own gradient, as matrices of second moments are symmetric: half the
    products of TensorFlow's.
    """
    query_sum, key_sum = (tf.reduce_sum(x, 1) for x in (query, key))
    query_gram, key_gram = (
        tf.matmul(x, x, transpose_a=True) for x in (query, key)
    )

    def gradient(dy):
        of_total, of_squares = tf.unstack(dy[:, :, tf.newaxis, tf.newaxis])

        def of_map(x, other_sum, other_gram):
            of_gram = 2.0 * of_squares * other_gram
            return tf.matmul(x, of_gram) + of_total * other_sum[:, tf.newaxis]

        return (
            of_map(query, key_sum, key_gram),
            of_map(key, query_sum, query_gram),
        )

    sums = [
        tf.reduce_sum(query_sum * key_sum, 1),
        tf.reduce_sum(query_gram * key_gram, [1, 2]),
    ]
    return tf.stack(sums), gradient


def position_moments(
    x: tf.Tensor, window: tf.Tensor, first: tf.Tensor, end: tf.Tensor
) -> tf.Tensor:
    """Sums [2, n] of x_l . r and its square over all pairs (l, r).

    Args:
      x: [n, L, d], queries or keys.
      window: [2L - 1, d].
      first: [L], the first row that counts (`rows_inside`).
      end: [L], the row behind the last.
    """
    depth = window.shape[1]
    gram = window[:, :, tf.newaxis] * window[:, tf.newaxis]
    gram = tf.reshape(gram, [-1, depth * depth])
    grams = tf.reshape(sum_ranges(gram, first, end), [-1, depth, depth])
    return _place_moments(x, sum_ranges(window, first, end), grams)


@tf.custom_gradient
def _place_moments(
    x: tf.Tensor, sums: tf.Tensor, grams: tf.Tensor
) -> tf.Tensor:
    """[n, L, d], [L, d], [L, d, d] -> [2, n]: sums of x . s and x . G x.

    Its own gradient, which stores nothing but `x`.
    """

    def gradient(dy):
        # Not before the gradient has come down here: an executor runs
        # whatever has its inputs.
        with tf.control_dependencies([dy]):
            by_place = swap(x)
        of_total, of_squares = tf.unstack(dy[:, :, tf.newaxis])
        scaled = by_place * of_squares
        of_x = tf.matmul(scaled, 2.0 * grams) + of_total * sums[:, tf.newaxis]
        of_sums = tf.linalg.matvec(by_place, of_total[:, 0], transpose_a=True)
        of_grams = tf.matmul(by_place, scaled, transpose_a=True)
        return swap(of_x), of_sums, of_grams

    by_place = swap(x)
    totals = [
        sum_by_line(by_place * factors)
        for factors in (sums[:, tf.newaxis], tf.matmul(by_place, grams))
    ]
    return tf.stack(totals), gradient


def band_moments(
    query: tf.Tensor, key: tf.Tensor, layout: Layout, logits_bytes: int
) -> tf.Tensor:
    """`content_moments` over the pairs within the span.

    One block of one line is the least that is in memory, whatever the budget.
    """
    count = size_of(query, 0)
    if layout.framed:
        query = span_blocks.frame_queries(query, layout)
        key = span_blocks.frame_keys(key, layout)
    sums = _masked_sums(query, key, _band(layout), logits_bytes)
    sums = tf.reduce_sum(tf.reshape(sums, [count, -1, 2]), 1)
    return tf.transpose(sums)


def _band(layout: Layout) -> tf.Tensor:
    """[queries, keys] float32, 1 within the span.

    Places outside the map are zeros in the blocks and add nothing.
    """
    query = tf.range(layout.queries)[:, tf.newaxis]
    key = tf.range(layout.keys)[tf.newaxis]
    offset = key - query - (layout.reach if layout.framed else 0)
    return tf.cast(tf.abs(offset) <= layout.reach, tf.float32)


def _masked_sums(
    query: tf.Tensor, key: tf.Tensor, band: tf.Tensor, logits_bytes: int
) -> tf.Tensor:
    """[n, q, d], [n, k, d], [q, k] -> [n, 2]: sums of s and s * s."""
    pairs = chunks.size_of(band, 0) * chunks.size_of(band, 1)
    size = chunks.larger(logits_bytes // (3 * FLOAT_BYTES * pairs), 1)

    def of_blocks(carry, _, blocks):
        logits = tf.matmul(*blocks, transpose_b=True) * band
        moments = [tf.reduce_sum(x, [1, 2]) for x in (logits, logits**2)]
        return carry, tf.stack(moments, axis=-1)

    def gradient_of_blocks(carry, _, given):
        blocks, of_sums = given
        of_total, of_squares = tf.unstack(of_sums, 2, axis=-1)
        logits = tf.matmul(*blocks, transpose_b=True)
        of_logits = band * (
            of_total[:, tf.newaxis, tf.newaxis]
            + 2.0 * of_squares[:, tf.newaxis, tf.newaxis] * logits
        )
        of_query = tf.matmul(of_logits, blocks[1])
        of_key = tf.matmul(of_logits, blocks[0], transpose_a=True)
        return carry, (of_query, of_key)

    @tf.custom_gradient
    def run(query, key):
        blocks = (query, key)
        sums = chunks.scan_chunks(of_blocks, blocks, (), 0, size)[1]

        def gradient(of_sums):
            return chunks.scan_chunks(
                gradient_of_blocks, (blocks, of_sums), (), (0, 0), size
            )[1]

        return sums, gradient

    return run(query, key)
