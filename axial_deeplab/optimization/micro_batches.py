"""Gradient accumulation: a batch in parts, one after the other.

A training step takes its whole batch as ever, and steps once; only each
replica's share goes through the model in equal parts, whose gradients are
averaged. So step counters, schedules, checkpoints, summaries and moving
averages of weights know nothing of it, whatever the optimizer. What differs
from one large batch are the batch norms: each part is normalised by itself,
and moves the statistics once.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from axial_deeplab.optimization.radam import dense_gradient


def mean_over_parts(
    function: Callable[[Any], Any], batch: Any, parts: int
) -> Any:
    """Mean of what `function` makes of equal parts of a batch.

    Each part waits for the one before: the memory is that of one.

    Args:
      function: of a structure as `batch`; returns a structure of tensors.
      batch: tensors [B, ...], B a multiple of `parts`.
      parts: how many.
    """
    if parts == 1:
        return function(batch)
    total, done = None, []
    for part in range(parts):
        with tf.control_dependencies(done):
            share = tf.nest.map_structure(
                lambda whole, part=part: tf.identity(
                    tf.split(whole, parts)[part]
                ),
                batch,
            )
            found = tf.nest.map_structure(_dense, function(share))
        total = found if total is None else _sum(total, found)
        done = [one for one in tf.nest.flatten(total) if one is not None]
    return tf.nest.map_structure(lambda one: _scaled(one, 1 / parts), total)


def _dense(gradient: Any) -> tf.Tensor | None:
    return None if gradient is None else dense_gradient(gradient)


def _sum(first: Any, second: Any) -> Any:
    return tf.nest.map_structure(
        lambda a, b: None if a is None else a + b, first, second
    )


def _scaled(value: tf.Tensor | None, factor: float) -> tf.Tensor | None:
    return None if value is None else value * tf.cast(factor, value.dtype)
