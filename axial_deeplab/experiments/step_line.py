"""Lines that show that training lives."""

import math
import sys
import time
from typing import Any

import tensorflow as tf

from axial_deeplab.progress import clock

_INTERVAL_SECONDS = 1.0


class StepLine:
    """Train action: a line with losses, speed and time left.

    At most one a second, beside the first and the last. The time left is that
    of training alone: call `restart` after evaluations, so that they do not
    count as slow steps.

    Args:
      global_step: the trainer's counter.
      train_steps: where training ends.
      batch_size: images of a step.
    """

    def __init__(
        self, global_step: tf.Variable, train_steps: int, batch_size: int
    ):
        self._step, self._train_steps = global_step, train_steps
        self._batch_size = batch_size
        self._last: tuple[int, float] | None = None
        self._shown_seconds = -math.inf

    def __call__(self, output: dict[str, Any]) -> None:
        """Writes the line to standard error, if it is time to."""
        step, now_seconds = int(self._step.numpy()), time.monotonic()
        waited_seconds = now_seconds - self._shown_seconds
        if waited_seconds < _INTERVAL_SECONDS and step < self._train_steps:
            return
        # A variable on several devices is no number before it is a tensor.
        values = [
            f"{name.removeprefix('training_')} "
            f"{float(tf.convert_to_tensor(value)):.4g}"
            for name, value in output.items()
        ]
        values += self._speed(step, now_seconds)
        self._last = step, now_seconds
        self._shown_seconds = now_seconds
        write_line(f"step {step}/{self._train_steps}  {'  '.join(values)}")

    def _speed(self, step: int, now_seconds: float) -> list[str]:
        # The first loop also compiles, and a recovery goes back: no speed.
        if not self._last or step <= self._last[0]:
            return []
        last_step, last_seconds = self._last
        rate = (step - last_step) / max(now_seconds - last_seconds, 1e-9)
        images, left = rate * self._batch_size, self._train_steps - step
        return [
            f"{rate:.2f} steps/s, {images:.4g} images/s, "
            f"{clock(left / rate)} left"
        ]

    def restart(self, _: Any = None) -> None:
        """Eval action: what passed since the last line was no training."""
        if self._last:
            self._last = int(self._step.numpy()), time.monotonic()


def write_line(line: str) -> None:
    """Writes to standard error, at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
