"""Records that cannot be read: named, counted, and left out up to a limit."""

import functools
import sys
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from axial_deeplab.progress import track

_HASHES = 2**62


def map_readable(
    items: tf.data.Dataset,
    make_example: Callable[..., Any],
    name_of: Callable[..., tf.Tensor],
    limit: int,
    deterministic: bool | None = None,
) -> tf.data.Dataset:
    """`make_example` of the items, without those for which it fails.

    What is left out is named on standard error, once, however often it comes.

    Args:
      items: what to make examples of.
      make_example: as for `Dataset.map`; of static shapes.
      name_of: string scalar of an item, for people; may fail, too.
      limit: how many different items may fail; 0: every error is raised as
        it is.
      deterministic: whether examples keep the order of the items.

    Raises:
      tf.errors.InvalidArgumentError: while reading: more items fail.
    """
    if not limit:
        return items.map(
            make_example, tf.data.AUTOTUNE, deterministic=deterministic
        )
    spec = items.map(make_example).element_spec
    blank = tf.nest.map_structure(lambda t: tf.zeros(t.shape, t.dtype), spec)
    attempts = items.interleave(
        functools.partial(_attempt, make_example, name_of, blank),
        cycle_length=16,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=deterministic,
    )
    nobody = tf.zeros([limit], tf.int64), tf.constant(0)
    counted = attempts.scan(
        nobody, lambda state, attempt: _count(state, attempt, limit)
    )
    good = counted.filter(lambda is_good, _: is_good)
    return good.map(lambda _, example: example)


def _attempt(make_example, name_of, blank, *item) -> tf.data.Dataset:
    """One element: an example without a name, or a blank one with it."""
    once = tf.data.Dataset.from_tensors(item)
    made = once.map(lambda *item: ("", _example(make_example(*item))))
    named = once.map(lambda *item: (name_of(*item), blank))
    rest = tf.data.Dataset.from_tensors(("a record without a name", blank))
    whatever = made.ignore_errors().concatenate(named.ignore_errors())
    return whatever.concatenate(rest).take(1)


def _example(made: Any) -> Any:
    return tf.nest.map_structure(tf.convert_to_tensor, made)


def _count(state, attempt, limit: int):
    known, count = state
    name, example = attempt
    is_bad = tf.strings.length(name) > 0
    # 0 stands for a free place.
    key = tf.strings.to_hash_bucket_fast(name, _HASHES) + 1
    is_new = is_bad & ~tf.reduce_any(known == key)
    allowed = tf.debugging.Assert(
        ~is_new | (count < limit),
        [
            f"More than max_bad_records={limit} records cannot be read; now",
            name,
        ],
    )
    with tf.control_dependencies([allowed]):
        said = tf.cond(
            is_new,
            lambda: _say_skipped(name, count + 1, limit),
            lambda: tf.constant(0),
        )
    with tf.control_dependencies([said]):
        place = (tf.range(limit) == count) & is_new
        state = tf.where(place, key, known), count + tf.cast(is_new, tf.int32)
    return state, (~is_bad, example)


def _say_skipped(name: tf.Tensor, count: tf.Tensor, limit: int) -> tf.Tensor:
    texts = ("left out, as it cannot be read: ", name, " - ")
    counts = (tf.strings.as_string(count), f" of at most {limit} such records")
    # Of several texts, each would be shown with quotes.
    line = tf.strings.join([*texts, *counts])
    with tf.control_dependencies([tf.print(line, output_stream=sys.stderr)]):
        return tf.constant(0)


@functools.cache
def readable_counts(files: tuple[str, ...], limit: int) -> list[int]:
    """How many records of each file come before its first damage.

    Reads all files to the end. Damage is named on standard error.

    Args:
      files: TFRecord files.
      limit: how many may be damaged.

    Returns:
      A number for each file.

    Raises:
      ValueError: more are damaged.
    """
    counts, damaged = [], 0
    for path in track(files, len(files), "checking", "files"):
        count, is_whole = count_records(path)
        counts.append(count)
        if is_whole:
            continue
        damaged += 1
        found = f"{path} is damaged: its record {count} cannot be read"
        if damaged > limit:
            raise ValueError(
                f"{found}; max_bad_records={limit} allows no more such files."
            )
        sys.stderr.write(
            f"{found}; from there on, the file is left out - {damaged} of at "
            f"most {limit} such files\n"
        )
    return counts


def count_records(path: str) -> tuple[int, bool]:
    """Records of a file before its first damage, and whether there is none."""
    count = 0
    try:
        for _ in tf.data.TFRecordDataset(path):
            count += 1
    except tf.errors.DataLossError:
        return count, False
    return count, True
