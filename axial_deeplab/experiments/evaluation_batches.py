"""Full batches for every replica of every worker, to the last image."""

from typing import Any

import tensorflow as tf


def full_batches(
    batches: tf.data.Dataset, batch_size: int, replicas: int
) -> tf.data.Dataset:
    """Fills the last batch with blanks, whose entries are all zero.

    Then all shapes are static. Several replicas must take equally many
    batches, and do not know each other's numbers: for them batches of blanks
    follow without end, and whoever reads stops when all are blank. (A replica
    that is given no image stumbles over empty tensors.)

    Args:
      batches: of at most `batch_size`, along the first axis of each tensor.
      batch_size: of one replica.
      replicas: how many evaluate together, over all workers.
    """
    if all(
        spec.shape.rank and spec.shape[0] == batch_size
        for spec in tf.nest.flatten(batches.element_spec)
    ):
        filled = batches
    else:
        filled = batches.map(
            lambda *batch: tf.nest.map_structure(
                lambda values: _filled(values, batch_size), batch
            ),
            tf.data.AUTOTUNE,
        )
    if replicas == 1:
        return filled
    blank = tf.nest.map_structure(_blank, filled.element_spec)
    endless = tf.data.Dataset.from_tensors(blank).repeat()
    return filled.concatenate(endless)


def _filled(values: tf.Tensor, batch_size: int) -> tf.Tensor:
    missing = [batch_size - tf.shape(values)[0], *values.shape[1:]]
    filled = tf.concat([values, tf.zeros(missing, values.dtype)], axis=0)
    return tf.ensure_shape(filled, [batch_size, *values.shape[1:]])


def _blank(spec: tf.TensorSpec) -> Any:
    return tf.zeros(spec.shape, spec.dtype)
