"""Finds out which record file a failed run could not read."""

from collections.abc import Sequence

import tensorflow as tf

from axial_deeplab.data.bad_records import count_records


def check_records(patterns: str | Sequence[str]) -> None:
    """Reads all records of the files that match.

    Slow for a large data set: for the moment after a failure, when TensorFlow
    told what is wrong but not where.

    Raises:
      ValueError: a file is damaged, or there is no record in any.
    """
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    count = 0
    for pattern in patterns:
        for path in sorted(tf.io.gfile.glob(pattern)):
            # A folder holds images, not records.
            count += 1 if tf.io.gfile.isdir(path) else _count_records(path)
    if not count:
        raise ValueError(f"{', '.join(patterns)} holds no example.")


def _count_records(path: str) -> int:
    count, is_whole = count_records(path)
    if not is_whole:
        raise ValueError(
            f"{path} is damaged: its record {count} cannot be read."
        )
    return count
