"""Work in several processes, with one count of what they have finished."""

import concurrent.futures
import multiprocessing
from collections.abc import Callable, Sequence
from typing import Any

_POLL_SECONDS = 0.2
_counter: Any = None


def run_jobs(
    work: Callable[[Any, Callable[[], None]], None],
    jobs: Sequence[Any],
    workers: int,
    on_done: Callable[[int], None],
) -> None:
    """Calls `work(job, tick)` for all jobs, each in one of the processes.

    Args:
      work: picklable; calls `tick` after each unit of work.
      jobs: picklable.
      workers: how many processes; 1 is this one.
      on_done: is told how many more ticks there were, every now and then.

    Raises:
      Whatever the first job to fail raises, once those in work have ended.
    """
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            work(job, lambda: on_done(1))
        return
    # TensorFlow's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    with concurrent.futures.ProcessPoolExecutor(
        min(workers, len(jobs)), context, _share, (counter,)
    ) as pool:
        waiting = {pool.submit(_call, work, job) for job in jobs}
        try:
            _wait(waiting, counter, on_done)
        finally:
            pool.shutdown(cancel_futures=True)


def _wait(waiting, counter, on_done) -> None:
    seen = 0
    while waiting:
        finished, waiting = concurrent.futures.wait(waiting, _POLL_SECONDS)
        if counter.value > seen:
            on_done(counter.value - seen)
            seen = counter.value
        for future in finished:
            future.result()


def _share(counter) -> None:
    global _counter
    _counter = counter


def _call(work, job) -> None:
    work(job, _tick)


def _tick() -> None:
    with _counter.get_lock():
        _counter.value += 1
