"""A process that measures something step by step, when told to."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

_NO_MEMORY = re.compile(r"bad_alloc|ResourceExhausted|OOM|MemoryError")


class MeasuredProcess(contextlib.AbstractContextManager):
    """A Python process, until its memory runs out.

    For each line that it gets it works once and answers with a line; when its
    input ends, it writes what it measured as JSON.

    Args:
      arguments: of Python.
      label: what errors call it.
    """

    def __init__(self, arguments: Sequence[str], label: str):
        self.label, self.fits = label, True
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def step(self) -> None:
        """Works once, or not if there was too little memory before.

        Raises:
          RuntimeError: the process ended for another reason.
        """
        if self.fits:
            with contextlib.suppress(BrokenPipeError):
                print(file=self._process.stdin, flush=True)
            if not self._process.stdout.readline():
                self._died()

    def finish(self) -> dict[str, Any] | None:
        """What was measured; None if it does not fit.

        Raises:
          RuntimeError: the process ended for another reason.
        """
        if not self.fits:
            return None
        answer, _ = self._process.communicate()
        return json.loads(answer) if answer else self._died()

    def _died(self) -> None:
        """Takes note of too little memory; any other end is an error."""
        status = self._process.wait()
        self._errors.seek(0)
        text = self._errors.read().strip()
        self.fits = False
        if status != -signal.SIGKILL and not _NO_MEMORY.search(text):
            last = text.splitlines()[-1] if text else f"exit status {status}"
            raise RuntimeError(f"{self.label}: {last}")
