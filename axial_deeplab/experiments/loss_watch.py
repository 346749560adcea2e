"""Remembers at which step, and on which images, a loss left its bounds."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg

from axial_deeplab.data.image_names import NAME_BYTES, text_of
from axial_deeplab.experiments.step_line import write_line
from axial_deeplab.workers import Workers

_SHOWN_NAMES = 16


class BadStep(NamedTuple):
    """A step whose loss, or whose gradients only, left the bounds."""

    step: int
    by_loss: bool
    names: list[str]


class LossWatch(tf.Module):
    """The first step since the last look whose loss was not finite or too big.

    Without a look at the host: that could only be after a loop of steps, when
    nobody knows any more which one it was. Each replica keeps its own images.

    Args:
      batch_size: of one replica.
      settings: of the trainer: the largest loss, and from which step it counts.
    """

    def __init__(self, batch_size: int, settings: cfg.TrainerConfig):
        super().__init__()
        self._settings = settings
        self._step = _own_variable(tf.constant(-1, tf.int64))
        self._by_loss = _own_variable(tf.constant(False))
        # Workers hand their first values round, which uint8 cannot be.
        self._names = _own_variable(
            tf.zeros([batch_size, NAME_BYTES], tf.int32)
        )

    def observe(
        self,
        step: tf.Tensor,
        loss: tf.Tensor,
        is_finite: tf.Tensor,
        names: tf.Tensor | None,
    ) -> None:
        """Looks at a step, on its replica.

        Args:
          step: int64 scalar.
          loss: float32 scalar.
          is_finite: whether the gradients are, too.
          names: uint8 [batch, NAME_BYTES] as of `name_bytes`; None: unknown.
        """
        by_loss = ~tf.math.is_finite(loss)
        is_counted = step >= self._settings.recovery_begin_steps
        by_loss |= (loss > self._settings.loss_upper_bound) & is_counted
        is_first = (by_loss | ~is_finite) & (self._step < 0)
        self._step.assign(tf.where(is_first, step, self._step))
        self._by_loss.assign(tf.where(is_first, by_loss, self._by_loss))
        if names is not None:
            names = tf.cast(names, tf.int32)
            self._names.assign(tf.where(is_first, names, self._names))

    def take(self) -> BadStep | None:
        """What was found, forgotten with that; None: all is well."""
        results = tf.distribute.get_strategy().experimental_local_results
        watched = self._step, self._by_loss, self._names
        found = [
            BadStep(
                int(step),
                bool(by_loss),
                list(map(text_of, names.numpy().astype(np.uint8))),
            )
            for step, by_loss, names in zip(*map(results, watched), strict=True)
            if step >= 0
        ]
        self._step.assign(tf.constant(-1, tf.int64))
        return first_step(found)


def first_step(found: Iterable[BadStep]) -> BadStep | None:
    """The first of the steps of several replicas, or workers.

    Where a loss was bad, it has spoiled the gradients of all: only its images
    count.
    """
    found = list(found)
    if not found:
        return None
    step = min(one.step for one in found)
    found = [one for one in found if one.step == step]
    by_loss = [one for one in found if one.by_loss]
    names = [name for one in by_loss or found for name in one.names if name]
    return BadStep(step, bool(by_loss), names)


class BlowUpReport:
    """Train action before Model Garden's recovery: says what it will do.

    Args:
      watch: of this worker.
      workers: who recover together.
      manager: of the checkpoints to go back to.
      settings: of the trainer.
    """

    def __init__(
        self,
        watch: LossWatch,
        workers: Workers,
        manager: tf.train.CheckpointManager,
        settings: cfg.TrainerConfig,
    ):
        self._watch, self._workers, self._manager = watch, workers, manager
        self._settings = settings
        self._trials = 0
        self.last = ""

    def __call__(self, output: dict[str, Any]) -> None:
        """Writes a line if the loss left its bounds in the last loop.

        Raises:
          RuntimeError: it did, and there is no checkpoint to go back to.
        """
        found = self._found()
        if found is None:
            return
        self.last = (
            f"first at step {found.step}, on the images {_listed(found.names)}"
        )
        # Gradients that are not finite leave weights that are not, and a loss
        # that tells so only after the next checkpoint.
        output["training_loss"] = tf.constant(float("nan"))
        self._trials += 1
        trials = self._settings.recovery_max_trials
        if self._trials > trials:
            # Model Garden's check ends the training, or -1 lets it go on.
            self._write(f"the loss left its bounds, {self.last}")
            return
        path = self._workers.of_chief(self._manager.latest_checkpoint)
        if path is None:
            raise RuntimeError("There is no checkpoint yet to go back to.")
        self._write(
            f"the loss left its bounds, {self.last}: back to {path} (time "
            f"{self._trials} of {trials})"
        )

    def _found(self) -> BadStep | None:
        """What the watches of all workers say, equal on all of them."""
        found = self._workers.gathered(self._watch.take())
        return first_step(BadStep(*one) for one in found if one)

    def _write(self, line: str) -> None:
        if self._workers.is_chief:
            write_line(line)


def _listed(names: list[str]) -> str:
    if not names:
        return "(unknown)"
    more = len(names) - _SHOWN_NAMES
    text = ", ".join(names[:_SHOWN_NAMES])
    return f"{text} and {more} more" if more > 0 else text


def _own_variable(initial: tf.Tensor) -> tf.Variable:
    """A variable of which each replica keeps its own copy."""
    return tf.Variable(
        initial,
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
