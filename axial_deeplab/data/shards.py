"""Sets of TFRecord files: their names, and writing them all or none."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import pathlib
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import tensorflow as tf

_SHARD_NAME = re.compile(r"(?P<split>.+)-\d{5}-of-(?P<count>\d{5})\.tfrecord")


def shard_name(split: str, index: int, count: int) -> str:
    """File name of shard `index` (from 0) of `count`."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord"


def shard_names(split: str, count: int) -> list[str]:
    """File names of all shards of a split."""
    return [shard_name(split, index, count) for index in range(count)]


def check_one_set(paths: Sequence[str]) -> None:
    """Refuses files that are shards of two different conversions.

    Raises:
      ValueError: two files of one split tell different numbers of shards, so
        reading both would read images twice.
    """
    counts: dict[tuple[str, str], str] = {}
    for path in paths:
        folder, name = os.path.split(path)
        match = _SHARD_NAME.fullmatch(name)
        if match is None:
            continue
        known = counts.setdefault((folder, match["split"]), match["count"])
        if known != match["count"]:
            raise ValueError(
                f"{folder or '.'} holds shards of two conversions of split "
                f"{match['split']!r} ({int(known)} and {int(match['count'])} "
                "shards); remove one set."
            )


def check_no_leftovers(
    folder: pathlib.Path, pattern: str, names: Collection[str]
) -> None:
    """Refuses a folder whose old files would mix with the new ones.

    Raises:
      ValueError: `folder` holds a file that matches `pattern` and is not
        among `names`, those that are about to be written (over).
    """
    found = sorted(path.name for path in folder.glob(pattern))
    left = [name for name in found if name not in names]
    if left:
        raise ValueError(
            f"{folder} already holds {left[0]} ({len(left)} such files), which "
            "would mix with the new files; remove them or choose another "
            "folder."
        )


@contextlib.contextmanager
def staging_folder(
    output_dir: pathlib.Path, tag: str
) -> Iterator[pathlib.Path]:
    """A temporary folder whose files reach `output_dir` together or not at all.

    When the block ends well its files are renamed into `output_dir`, over
    files of the same name; when it fails they are removed. `tag` keeps apart
    runs that write different files of one folder at the same time.
    """
    existed = output_dir.exists()
    staging = output_dir / f".{tag}.partial"
    shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
    staging.mkdir(parents=True)
    try:
        yield staging
        for source in sorted(staging.rglob("*")):
            target = output_dir / source.relative_to(staging)
            if source.is_dir():
                target.mkdir(exist_ok=True)
            else:
                os.replace(source, target)
    except BaseException:
        shutil.rmtree(staging)
        if not existed:
            with contextlib.suppress(OSError):  # another run uses it by now
                output_dir.rmdir()
        raise
    shutil.rmtree(staging)


def split_evenly(items: Sequence[Any], count: int) -> list[Sequence[Any]]:
    """`count` parts of the items, in order, of nearly equal length.

    Raises:
      ValueError: there are fewer items than parts.
    """
    if len(items) < count:
        raise ValueError(
            f"{len(items)} examples cannot fill {count} shards; ask for "
            "fewer shards."
        )
    bounds = [len(items) * i // count for i in range(count + 1)]
    return [items[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]


def write_shards(
    paths: Sequence[pathlib.Path],
    items: Sequence[Any],
    make_record: Callable[[Any], bytes],
    workers: int = 1,
) -> Iterator[int]:
    """Writes `make_record(item)` of all items, in order, to the files.

    Items are spread evenly. With several workers each process writes whole
    files, and `make_record` must be picklable.

    Yields:
      The number of items finished since the last time.

    Raises:
      ValueError: there are fewer items than files.
    """
    parts = split_evenly(items, len(paths))
    jobs = list(zip(paths, parts, strict=True))
    if workers <= 1 or len(paths) == 1:
        for path, part in jobs:
            for _ in _write_shard(path, part, make_record):
                yield 1
        return
    yield from _write_in_processes(jobs, make_record, workers)


def _write_in_processes(jobs, make_record, workers) -> Iterator[int]:
    # TensorFlow's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
        futures = [
            pool.submit(_write_whole_shard, path, part, make_record)
            for path, part in jobs
        ]
        try:
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _write_shard(path, items, make_record) -> Iterator[None]:
    with tf.io.TFRecordWriter(os.fspath(path)) as writer:
        for item in items:
            writer.write(make_record(item))
            yield


def _write_whole_shard(path, items, make_record) -> int:
    return sum(1 for _ in _write_shard(path, items, make_record))
