"""Lines that show that training lives."""

import sys
import time
from typing import Any

import tensorflow as tf

from axial_deeplab.progress import clock


class StepLine:
    """Train action: a line with losses, speed and time left.

    The time left is that of training alone: call `restart` after evaluations,
    so that they do not count as slow steps.

    Args:
      global_step: the trainer's counter.
      train_steps: where training ends.
    """

    def __init__(self, global_step: tf.Variable, train_steps: int):
        self._step, self._train_steps = global_step, train_steps
        self._last: tuple[int, float] | None = None

    def __call__(self, output: dict[str, Any]) -> None:
        """Writes the line to standard error."""
        step, now_seconds = int(self._step.numpy()), time.monotonic()
        # A variable on several devices is no number before it is a tensor.
        values = [
            f"{name.removeprefix('training_')} "
            f"{float(tf.convert_to_tensor(value)):.4g}"
            for name, value in output.items()
        ]
        if self._last:  # the first loop also compiles: it tells no speed
            last_step, last_seconds = self._last
            rate = (step - last_step) / max(now_seconds - last_seconds, 1e-9)
            left = clock((self._train_steps - step) / rate)
            values.append(f"{rate:.2f} steps/s, {left} left")
        self._last = step, now_seconds
        write_line(f"step {step}/{self._train_steps}  {'  '.join(values)}")

    def restart(self, _: Any = None) -> None:
        """Eval action: what passed since the last line was no training."""
        if self._last:
            self._last = self._last[0], time.monotonic()


def write_line(line: str) -> None:
    """Writes to standard error, at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
