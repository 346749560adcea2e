"""A model and images that are timed, and the seconds of one call."""

import dataclasses
import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class TimedModel:
    """A model by name and options, and the images it is given."""

    model: str
    size_px: tuple[int, int]
    batch: int = 1
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def seconds_of(run: Callable[[], Any]) -> float:
    """Of one call, until the device has done it.

    Garbage is collected before, so that none is in between. What the call
    returns stays on its device: copies would take part of the time.
    """
    gc.collect()
    start = time.perf_counter()
    results = run()
    tf.test.experimental.sync_devices()
    seconds = time.perf_counter() - start
    del results  # only now: giving memory back is no part of the call
    return seconds
