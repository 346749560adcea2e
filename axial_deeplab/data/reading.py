"""What all pipelines share: which records, in what order, in what batches."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from axial_deeplab.data import shards
from axial_deeplab.data.bad_records import map_readable, readable_counts
from axial_deeplab.data.tfrecord_schema import is_check, reason
from axial_deeplab.progress import ProgressBar

_GRAPH_SEED = 1  # of the functions that mix; any number but 0
_INTERLEAVED_FILES = 32


@dataclasses.dataclass(frozen=True)
class ReadingConfig:
    """How the examples of a split are read.

    Attributes:
      file_pattern: one glob pattern or several.
      batch_size: over all replicas.
      training: shuffled and augmented examples; else in the order of the
        files.
      seed: makes order and augmentation repeatable (and forbids examples to
        overtake each other, which costs some speed).
      shuffle_buffer: how many records are shuffled at a time.
      repeat: training goes on for ever instead of ending after all examples.
      first_example: with a seed and `repeat`: how many examples of training
        to leave out at first, those that an interrupted one has had already.
      max_bad_records: so many records that cannot be read, and files that are
        damaged, are named and left out; the next one is an error.
    """

    file_pattern: str | Sequence[str]
    _: dataclasses.KW_ONLY
    batch_size: int
    training: bool = True
    seed: int | None = None
    shuffle_buffer: int = 1000
    repeat: bool = False
    first_example: int = 0
    max_bad_records: int = 0


def read_records(
    config: ReadingConfig,
    input_context: tf.distribute.InputContext | None,
    epoch: tf.Tensor | None = None,
) -> tf.data.Dataset:
    """Serialized examples of this pipeline's share, in file order or mixed.

    Args:
      config: which files, and whether to mix them.
      input_context: which share.
      epoch: together with the seed it gives the order of the files; without
        it, each iteration has another one.

    Raises:
      FileNotFoundError: no file matches a pattern.
      ValueError: the files are shards of different conversions, or more of
        them are damaged than `max_bad_records`.
    """
    files = matching_files(config.file_pattern)
    counts = [-1] * len(files)  # all
    if config.max_bad_records:
        counts = readable_counts(tuple(files), config.max_bad_records)
    dataset = tf.data.Dataset.from_tensor_slices((files, counts))
    context = input_context or tf.distribute.InputContext()
    pipelines, own = context.num_input_pipelines, context.input_pipeline_id
    by_file = len(files) >= pipelines
    if by_file:
        dataset = dataset.shard(pipelines, own)
    if config.training:
        dataset = _shuffled(dataset, len(files), config.seed, epoch)
        dataset = dataset.interleave(
            _first_records,
            cycle_length=min(len(files), _INTERLEAVED_FILES),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=config.seed is not None,
        )
    else:
        dataset = dataset.flat_map(_first_records)
    if not by_file:
        dataset = dataset.shard(pipelines, own)
    return dataset


def _first_records(path: tf.Tensor, count: tf.Tensor) -> tf.data.Dataset:
    return tf.data.TFRecordDataset(path).take(tf.cast(count, tf.int64))


def first_records(
    patterns: str | Sequence[str], count: int, allows_damage: bool = False
) -> Iterator[tuple[str, int, tf.Tensor]]:
    """The first records, equally many of each file.

    Args:
      patterns: as of `ReadingConfig`.
      count: how many in all; -1: all.
      allows_damage: whether damage ends a file only.

    Yields:
      File, number in it and serialized example.

    Raises:
      ValueError: a file is damaged.
    """
    files = matching_files(patterns)
    each = -1 if count < 0 else -(-count // len(files))
    for path in files[:count] if count > 0 else files:
        number = 0
        try:
            for record in tf.data.TFRecordDataset(path).take(each):
                yield path, number, record
                number += 1
        except tf.errors.DataLossError as error:
            if allows_damage:
                continue
            raise ValueError(
                f"{path} is damaged: its record {number} cannot be read."
            ) from error


def check_first_records(
    config: ReadingConfig, read: Callable[[tf.Tensor], Any], count: int
) -> None:
    """Reads the first records of each file.

    Those that cannot be read are left to the pipeline, if it may leave some
    out.

    Args:
      config: which files.
      read: what raises an error for a record.
      count: how many in all; -1: all; 0: none.

    Raises:
      ValueError: there is no record, or one cannot be read.
    """
    bar = ProgressBar(None, "checking", "records")
    records = first_records(
        config.file_pattern, count, bool(config.max_bad_records)
    )
    for path, number, record in records:
        check_record(config, read, f"{path}, record {number}", record)
        bar.update()
    if count and not bar.done:
        raise ValueError(f"{config.file_pattern} holds no example.")


def check_record(
    config: ReadingConfig, read: Callable[[Any], Any], name: str, item: Any
) -> None:
    """Reads a record; errors as of `check_first_records`."""
    try:
        read(item)
    except tf.errors.InvalidArgumentError as error:
        if config.max_bad_records and not is_check(error):
            return
        raise ValueError(f"{name}: {reason(error)}") from error


def matching_files(patterns: str | Sequence[str]) -> list[str]:
    """Files of glob patterns, each once; errors of `read_records`."""
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    files = []
    for pattern in patterns:
        found = tf.io.gfile.glob(pattern)
        if not found:
            raise FileNotFoundError(f"No file matches {pattern!r}.")
        files += found
    files = sorted(set(files))
    shards.check_one_set(files)
    return files


def shuffled_examples(
    items_of_epoch: Callable[[tf.Tensor | None], tf.data.Dataset],
    make_example: Callable[[Any, tf.Tensor], Any],
    config: ReadingConfig,
    name_of: Callable[[Any], tf.Tensor],
) -> tf.data.Dataset:
    """`make_example(item, seed)` of the items in random order."""
    first = 0
    if config.repeat and config.seed is not None:
        first = config.first_example
        items = epochs(items_of_epoch, config)
    else:
        items = _shuffled(
            items_of_epoch(None), config.shuffle_buffer, config.seed
        )
        items = items.repeat() if config.repeat else items
    # Each example carries its own random state, so that what it becomes does
    # not depend on which thread works on it.
    seeds = tf.data.Dataset.random(config.seed, rerandomize_each_iteration=True)
    return map_readable(
        tf.data.Dataset.zip(items, seeds.skip(2 * first).batch(2)),
        make_example,
        lambda item, _: name_of(item),
        config.max_bad_records,
        deterministic=config.seed is not None,
    )


def epochs(
    items_of_epoch: Callable[[tf.Tensor], tf.data.Dataset],
    config: ReadingConfig,
) -> tf.data.Dataset:
    """Epoch 0, epoch 1 and so on for ever, each in an order of its own.

    An order depends on seed and epoch alone, so that `config.first_example`
    is found without going through all epochs before it. Coming to it reads two
    epochs at most, one of them to count.

    Args:
      items_of_epoch: equally many in each epoch.
      config: how to mix them, and how many to leave out at first.
    """
    zero, number, begun = tf.constant(0, tf.int64), 0, 0
    if _is_empty(items_of_epoch(zero)):
        return items_of_epoch(zero)  # for ever nothing would never end
    if config.first_example:
        count = items_of_epoch(zero).reduce(zero, lambda n, _: n + 1)
        number, begun = divmod(config.first_example, int(count))
    left_out = tf.constant(begun, tf.int64)

    def mixed(epoch: tf.Tensor) -> tf.data.Dataset:
        # Else the order would depend on the seed of `tf.random.set_seed`, too.
        tf.compat.v1.get_default_graph().seed = _GRAPH_SEED
        items = items_of_epoch(epoch)
        items = _shuffled(items, config.shuffle_buffer, config.seed, epoch)
        return items.skip(tf.where(epoch == number, left_out, zero))

    return tf.data.Dataset.range(number, tf.int64.max).flat_map(mixed)


def _is_empty(items: tf.data.Dataset) -> bool:
    try:
        return not any(True for _ in items.take(1))
    except tf.errors.OpError:
        return False  # who reads in earnest will see the error


def prefetched(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The same, read ahead of who takes it; its iterators end at once.

    Those of TensorFlow's tuner wait for its thread, which sleeps for as long
    as they have lived, up to a minute. Untuned, all cores take part.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.autotune.initial_parallelism = os.cpu_count()  # default: 16
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)


def _shuffled(
    dataset: tf.data.Dataset,
    buffer: int,
    seed: int | None,
    epoch: tf.Tensor | None = None,
) -> tf.data.Dataset:
    """In an order of this epoch; without one, of each iteration."""
    if epoch is None:
        return dataset.shuffle(buffer, seed=seed)
    return dataset.shuffle(
        buffer, seed=seed + epoch, reshuffle_each_iteration=False
    )


def replica_batch_size(
    config: ReadingConfig, input_context: tf.distribute.InputContext | None
) -> int:
    """Examples in a batch of one replica.

    Raises:
      ValueError: the replicas cannot share a batch evenly.
    """
    if input_context is None:
        return config.batch_size
    return input_context.get_per_replica_batch_size(config.batch_size)
