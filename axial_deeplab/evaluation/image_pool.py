"""Does the same work for many images, several at a time, in their order."""

import concurrent.futures
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from axial_deeplab.progress import track

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class FilePair(NamedTuple):
    """Files of one image, and what it is called."""

    name: str
    truth: pathlib.Path
    prediction: pathlib.Path


# More would only queue for the interpreter lock.
_MOST_THREADS = 16


def map_images(
    work: Callable[[_Item], _Result],
    items: Sequence[_Item],
    workers: int | None,
) -> Iterator[_Result]:
    """Yields `work(item)` in the order of the items and shows the progress.

    Threads, not processes: decoding and comparing run outside the interpreter
    lock, and a new process would have to import TensorFlow. An error comes
    out at the place of its item, so the first bad image is the one named.

    Args:
        work: Called from several threads.
        items: One an image.
        workers: Items worked on at the same time; None: one a processor, at
            most 16.

    Raises:
        ValueError: `workers` is not positive.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"`workers` must be >= 1; got {workers}.")
    pool = concurrent.futures.ThreadPoolExecutor(
        workers or min(_MOST_THREADS, os.cpu_count() or 1)
    )
    try:
        yield from track(
            pool.map(work, items),
            total=len(items),
            label="Evaluated",
            unit="images",
        )
    finally:
        pool.shutdown(cancel_futures=True)
