"""One update of the weights, as each replica takes part in it."""

from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras
from official.core import base_task

from axial_deeplab.experiments.optimizers import loss_scaler
from axial_deeplab.optimization.micro_batches import (
    add_share,
    mean_over_parts,
    part_of,
)

# Entries of labels and of a step's logs.
NAMES, IS_FINITE = "names", "is_finite"

Batch = tuple[tf.Tensor, dict[str, Any]]


class Found(NamedTuple):
    """What a batch says: gradients are scaled, if the optimizer does so."""

    gradients: list[tf.Tensor]
    loss: tf.Tensor
    shown: dict[str, tf.Tensor]  # by name of the metric


class ReplicaStep:
    """Takes one step with a replica's share of a batch.

    `take` does all. With several parts on several replicas, which meet in
    every batch norm, the loop over the parts must not be inside of a replica:
    then `zeros`, `add_part` for each part and `apply` are run by themselves.

    Args:
      task: an `ImageTask`.
      model: what to train.
      optimizer: what moves its weights.
      metrics: those of `task.build_metrics`.
      parts: in which the share goes through the model.
    """

    def __init__(
        self,
        task: base_task.Task,
        model: tf_keras.Model,
        optimizer: tf_keras.optimizers.Optimizer,
        metrics: list[tf_keras.metrics.Metric] | None,
        parts: int,
    ):
        self._task, self._model, self._optimizer = task, model, optimizer
        self._metrics, self._parts = metrics or [], parts
        self._unused: set[int] = set()

    def take(self, inputs: Batch) -> dict[str, tf.Tensor]:
        """Loss and whether the step was finite, once it is taken."""
        if self._parts == 1:
            return self.apply(self._found(inputs))

        def add_part(part: tf.Tensor, mean: Found) -> Found:
            return self.add_part(inputs, part, mean)

        return self.apply(mean_over_parts(add_part, self.zeros(), self._parts))

    def zeros(self) -> Found:
        """What is found before the first part."""
        variables = self._model.trainable_variables
        return Found(
            [tf.zeros(one.shape, one.dtype) for one in variables],
            tf.constant(0.0),
            {metric.name: tf.constant(0.0) for metric in self._metrics},
        )

    def add_part(self, inputs: Batch, part: tf.Tensor, mean: Found) -> Found:
        """Adds the share of a part to the mean over all parts.

        Args:
          inputs: the whole batch of this replica.
          part: number of the part, from 0.
          mean: of the parts before.
        """
        inputs = _without_names(inputs)
        found = self._found(part_of(inputs, part, self._parts))
        self._unused |= {
            place for place, one in enumerate(found.gradients) if one is None
        }
        return add_share(mean, found, self._parts)

    def apply(self, found: Found) -> dict[str, tf.Tensor]:
        """Moves the weights; loss, and whether it and gradients are finite.

        (Of scaled losses, which overflow now and then: whether the loss is.)
        """
        gradients = [
            None if place in self._unused else one
            for place, one in enumerate(found.gradients)
        ]
        is_finite = tf.math.is_finite(found.loss)
        if scaler := loss_scaler(self._optimizer):
            gradients = scaler.get_unscaled_gradients(gradients)
        else:
            is_finite &= tf.math.is_finite(tf.linalg.global_norm(gradients))
        variables = self._model.trainable_variables
        pairs = list(zip(gradients, variables, strict=True))
        self._optimizer.apply_gradients(pairs)
        for metric in self._metrics:
            metric.update_state(found.shown[metric.name])
        return {self._task.loss: found.loss, IS_FINITE: is_finite}

    def _found(self, inputs: Batch) -> Found:
        images, labels = _without_names(inputs)
        with tf.GradientTape() as tape:
            outputs = self._model(images, training=True)
            losses = self._task.losses_by_name(labels, outputs)
            loss = tf.add_n([*losses.values(), *self._model.losses])
            # The optimizer sums gradients over replicas.
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            scaled = loss / replicas
            if scaler := loss_scaler(self._optimizer):
                scaled = scaler.get_scaled_loss(scaled)
        gradients = tape.gradient(scaled, self._model.trainable_variables)
        shown = losses | self._task.scores_by_name(labels, outputs)
        names = [metric.name for metric in self._metrics]
        return Found(gradients, loss, {name: shown[name] for name in names})


def _without_names(inputs: Batch) -> Batch:
    images, labels = inputs
    return images, {key: labels[key] for key in labels if key != NAMES}
