"""A progress line with rate and time left, from the standard library alone."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import IO, TypeVar

_Item = TypeVar("_Item")
_TERMINAL_INTERVAL_SECONDS = 0.2
_LOG_INTERVAL_SECONDS = 30.0
_WORTH_A_LINE_SECONDS = 3.0


class ProgressBar:
    """Counts finished units of work on one line of a stream.

    A terminal sees one line that is redrawn; anything else (a log file, a
    pipe) gets a line every half minute and, if the work took some seconds, a
    last one. Use it as a context manager, or close it: that ends the line.
    After an exception there is nothing to read but its own message.

    Args:
      total: how many units there are; None if that is not known.
      label: what is being done, the start of the line.
      unit: plural of what is counted.
      stream: where to write; standard error by default.
    """

    def __init__(
        self,
        total: int | None,
        label: str,
        unit: str = "items",
        stream: IO[str] | None = None,
    ):
        self.total, self.label, self.unit = total, label, unit
        self.done = 0
        self._stream = sys.stderr if stream is None else stream
        self._redraws = self._stream.isatty()
        self._start_seconds = self._shown_seconds = time.monotonic()
        self._closed = False

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, error_type: type | None, *_) -> None:
        if error_type is None:
            self.close()
        elif self._redraws:
            self._write("\r\x1b[K")

    def close(self) -> None:
        """Shows the final state."""
        self._closed = True
        elapsed = time.monotonic() - self._start_seconds
        if self._redraws or elapsed >= _WORTH_A_LINE_SECONDS:
            self._show()
        if self._redraws:
            self._write("\n")

    def update(self, count: int = 1) -> None:
        """Adds `count` finished units; writes when it is time to."""
        self.done += count
        interval = (
            _TERMINAL_INTERVAL_SECONDS
            if self._redraws
            else _LOG_INTERVAL_SECONDS
        )
        if time.monotonic() - self._shown_seconds >= interval:
            self._show()

    def line(self) -> str:
        """The line as it would be written now."""
        elapsed = max(time.monotonic() - self._start_seconds, 1e-9)
        rate = self.done / elapsed
        total = "" if self.total is None else f"/{self.total}"
        text = f"{self.label}: {self.done}{total} {self.unit}"
        if not self.done:
            return text
        text += f", {rate:.3g} {self.unit}/s"
        if self._closed or self.done == self.total:
            return f"{text}, {clock(elapsed)} in all"
        if self.total is None:
            return f"{text}, {clock(elapsed)} so far"
        return f"{text}, {clock((self.total - self.done) / rate)} left"

    def _show(self) -> None:
        self._shown_seconds = time.monotonic()
        # The escape code clears what a longer line left behind.
        line = self.line()
        self._write(f"\r{line}\x1b[K" if self._redraws else f"{line}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def track(
    items: Iterable[_Item], total: int, label: str, unit: str = "items"
) -> Iterator[_Item]:
    """Yields `items` and shows how many were taken."""
    with ProgressBar(total, label, unit) as bar:
        for item in items:
            yield item
            bar.update()


def clock(seconds: float) -> str:
    """Hours, minutes and seconds as 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
