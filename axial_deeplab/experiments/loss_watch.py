"""Remembers at which step, and on which images, a loss left its bounds."""

from typing import Any

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg

from axial_deeplab.data.image_names import NAME_BYTES, text_of
from axial_deeplab.experiments.step_line import write_line
from axial_deeplab.experiments.workers import Workers

_SHOWN_NAMES = 16


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
        is_bad = ~(tf.math.is_finite(loss) & is_finite)
        is_counted = step >= self._settings.recovery_begin_steps
        is_bad |= (loss > self._settings.loss_upper_bound) & is_counted
        is_first = is_bad & (self._step < 0)
        self._step.assign(tf.where(is_first, step, self._step))
        if names is not None:
            names = tf.cast(names, tf.int32)
            self._names.assign(tf.where(is_first, names, self._names))

    def take(self) -> tuple[int, list[str]] | None:
        """Step and names of images, forgotten with that; None: all is well."""
        results = tf.distribute.get_strategy().experimental_local_results
        pairs = zip(results(self._step), results(self._names), strict=True)
        found = [
            (int(step), names.numpy().astype(np.uint8)) for step, names in pairs
        ]
        found = [(step, names) for step, names in found if step >= 0]
        self._step.assign(tf.constant(-1, tf.int64))
        if not found:
            return None
        first = min(step for step, _ in found)
        rows = [row for at, names in found if at == first for row in names]
        return first, [name for name in map(text_of, rows) if name]


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
        step, names = found
        self.last = f"first at step {step}, on the images {_listed(names)}"
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

    def _found(self) -> tuple[int, list[str]] | None:
        """What the watches of all workers say, equal on all of them."""
        found = [
            one for one in self._workers.gathered(self._watch.take()) if one
        ]
        if not found:
            return None
        first = min(step for step, _ in found)
        return first, [
            n for step, names in found if step == first for n in names
        ]

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
