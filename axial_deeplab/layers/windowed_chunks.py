"""Functions of the tiles of a map and of the windows around them, in chunks.

The temporaries of one tile are alive at a time. The gradient computes each
tile again; where windows overlap, a tile hands the sums on to the next ones.
"""

from collections.abc import Callable

import tensorflow as tf

from axial_deeplab.layers.chunks import (
    Size,
    Tensors,
    cut_axis,
    pad_axis,
    scan_chunks,
    size_of,
)

# (tile [R, W, F], window [R + 2r, W + 2r', G], shared, start (row, column))
# -> outputs [R, W, O]; `shared` is a nest of tensors.
TileFunction = Callable[
    [tf.Tensor, tf.Tensor, Tensors, tuple[Size, Size]], tf.Tensor
]


def map_tiles(
    function: TileFunction,
    query: tf.Tensor,
    memory: tf.Tensor,
    shared: Tensors,
    tile: tuple[Size, Size],
    reach: tuple[int, int],
) -> tf.Tensor:
    """Applies `function` to all tiles, each with its window.

    The graph holds `function` once, and once with its gradient, however many
    tiles there are.

    Args:
      function: see `TileFunction`.
      query: [rows, columns, F], whole tiles.
      memory: [rows + 2r, columns + 2r', G], the same map with margins.
      shared: nest of tensors.
      tile: rows and columns of a tile.
      reach: (r, r'), how far a window reaches beyond its tile.

    Returns:
      [rows, columns, O].
    """

    @tf.custom_gradient
    def run(query, memory, *flat):
        given = (query, memory, tf.nest.pack_sequence_as(shared, flat))

        def gradient(of_outputs):
            found = _backward(function, *given, of_outputs, tile, reach)
            return tf.nest.flatten(found)

        return _forward(function, *given, tile, reach), gradient

    return run(query, memory, *tf.nest.flatten(shared))


def _forward(
    function: TileFunction,
    query: tf.Tensor,
    memory: tf.Tensor,
    shared: Tensors,
    tile: tuple[Size, Size],
    reach: tuple[int, int],
) -> tf.Tensor:
    def of_rows(carry, row, strip):
        def of_columns(carry, column, part):
            start = (row, column)
            window = _window(memory, part, start, reach)
            return carry, function(part, window, shared, start)

        return carry, scan_chunks(of_columns, strip, (), 1, tile[1], 1)[1]

    return scan_chunks(of_rows, query, (), 0, tile[0], 0)[1]


def _backward(
    function: TileFunction,
    query: tf.Tensor,
    memory: tf.Tensor,
    shared: Tensors,
    of_outputs: tf.Tensor,
    tile: tuple[Size, Size],
    reach: tuple[int, int],
) -> tuple[tf.Tensor, tf.Tensor, Tensors]:
    """Gradients of query, memory and shared."""
    depth = memory.shape[-1]

    def of_rows(carry, row, strips):
        below, sums = carry

        def of_columns(carry, column, parts):
            beside, sums = carry
            part, of_output = parts
            start = (row, column)
            of_part, of_window, of_shared = _gradient(
                lambda *given: function(*given, start),
                (part, _window(memory, part, start, reach), shared),
                of_output,
            )
            done, beside = _hand_on(of_window, beside, 1)
            sums = tf.nest.map_structure(tf.add, sums, of_shared)
            return (beside, sums), (of_part, done)

        high = size_of(strips[0], 0) + 2 * reach[0]
        beside = tf.zeros([high, 2 * reach[1], depth])
        (beside, sums), (of_strip, of_window) = scan_chunks(
            of_columns, strips, (beside, sums), (1, 1), tile[1], 1
        )
        of_window = tf.concat([of_window, beside], 1)
        done, below = _hand_on(of_window, below, 0)
        return (below, sums), (of_strip, done)

    below = tf.zeros([2 * reach[0], size_of(memory, 1), depth])
    sums = tf.nest.map_structure(tf.zeros_like, shared)
    (below, sums), (of_query, of_memory) = scan_chunks(
        of_rows, (query, of_outputs), (below, sums), (0, 0), tile[0], 0
    )
    return of_query, tf.concat([of_memory, below], 0), sums


def _window(
    memory: tf.Tensor,
    part: tf.Tensor,
    start: tuple[Size, Size],
    reach: tuple[int, int],
) -> tf.Tensor:
    """What a tile sees of a map with margins."""
    for axis in (0, 1):
        size = size_of(part, axis) + 2 * reach[axis]
        memory = cut_axis(memory, start[axis], size, axis)
    return memory


def _gradient(
    function: Callable[..., tf.Tensor], given: tuple, of_output: tf.Tensor
) -> tuple:
    """Gradients of what a function is given, from that of its output."""
    given = tf.nest.map_structure(tf.identity, given)
    with tf.GradientTape() as tape:
        tape.watch(given)
        output = function(*given)
    return tape.gradient(
        output,
        given,
        output_gradients=of_output,
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )


def _hand_on(
    x: tf.Tensor, left: tf.Tensor, axis: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Adds what is left of earlier windows to the front of this one.

    Returns:
      What no later window adds to, and what is left for them.
    """
    over = size_of(left, axis)
    size = size_of(x, axis) - over
    x += pad_axis(left, axis, 0, size)
    return cut_axis(x, 0, size, axis), cut_axis(x, size, over, axis)
