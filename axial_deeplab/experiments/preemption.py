"""What a run does when the machine is taken away: it saves and ends."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import numpy as np

from axial_deeplab.workers import Workers

# As the shell counts a process that SIGTERM has ended.
STATUS = 128 + signal.SIGTERM


class Preempted(SystemExit):
    """Ends the process with `STATUS`; the state of training is saved."""

    def __init__(self):
        super().__init__(int(STATUS))


class PreemptionWatch:
    """Knows whether any worker has been told to end.

    Args:
      workers: all of which stop when one of them gets SIGTERM.
    """

    def __init__(self, workers: Workers):
        self._workers, self._received = workers, False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """SIGTERM no longer ends this process, but is noted."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread can have a say in signals
            return
        before = signal.signal(signal.SIGTERM, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)

    def stops(self, images: int = 0) -> tuple[bool, int]:
        """Asks all workers; each must ask at the same place.

        Args:
          images: a number of this worker.

        Returns:
          Whether to stop, and the sum of the numbers.
        """
        own = np.array([self._received, images], np.int64)
        received, total = self._workers.summed(own)
        return bool(received), int(total)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._received = True
