"""Gradient accumulation: a batch in parts, one after the other.

A training step takes its whole batch as ever, and steps once; only each
replica's share goes through the model in equal parts, whose gradients are
averaged. So step counters, schedules, checkpoints, summaries and moving
averages of weights know nothing of it, whatever the optimizer. What differs
from one large batch are the batch norms: each part is normalised by itself,
and moves the statistics once.

The parts are a loop of the graph: neither its size nor the memory of
activations grows with their number.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from axial_deeplab.optimization.radam import dense_gradient


def mean_over_parts(
    add_part: Callable[[tf.Tensor, Any], Any], zeros: Any, parts: int
) -> Any:
    """What `add_part` has made of zeros after the last part.

    Args:
      add_part: of the number of a part (an int32 scalar) and a structure like
        `zeros`; returns one, with the share of this part (`add_share`).
      zeros: structure of tensors, or of the tensors of several replicas.
      parts: how many.
    """
    _, mean = tf.while_loop(
        lambda part, _: part < parts,
        lambda part, mean: (part + 1, add_part(part, mean)),
        (tf.constant(0), zeros),
        parallel_iterations=1,
    )
    return mean


def part_of(batch: Any, part: tf.Tensor, parts: int) -> Any:
    """A part of a batch.

    Args:
      batch: structure of tensors [B, ...], B a multiple of `parts`.
      part: its number, from 0.
      parts: how many there are.

    Returns:
      Tensors [B / parts, ...].
    """
    return tf.nest.map_structure(lambda whole: _rows(whole, part, parts), batch)


def add_share(mean: Any, found: Any, parts: int) -> Any:
    """Adds a part's share to a mean; a part has none where it found None.

    Args:
      mean: structure of tensors, of the parts before.
      found: the same, of this part; gradients may be `IndexedSlices`.
      parts: how many there are.
    """
    shares = [
        old if new is None else old + dense_gradient(new) / parts
        for old, new in zip(
            tf.nest.flatten(mean), tf.nest.flatten(found), strict=True
        )
    ]
    return tf.nest.pack_sequence_as(mean, shares)


def _rows(whole: tf.Tensor, part: tf.Tensor, parts: int) -> tf.Tensor:
    rows, *rest = whole.shape
    # Batches from a strategy of several workers have no static size.
    size = (tf.shape(whole)[0] if rows is None else rows) // parts
    begin = [part * size, *[0] * len(rest)]
    return tf.slice(whole, begin, [size, *rest])
