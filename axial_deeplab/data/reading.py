"""What all pipelines share: which records, in what order, in what batches."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from axial_deeplab.data import shards

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
    """

    file_pattern: str | Sequence[str]
    _: dataclasses.KW_ONLY
    batch_size: int
    training: bool = True
    seed: int | None = None
    shuffle_buffer: int = 1000
    repeat: bool = False
    first_example: int = 0


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
      ValueError: the files are shards of different conversions.
    """
    files = _matching_files(config.file_pattern)
    dataset = tf.data.Dataset.from_tensor_slices(files)
    context = input_context or tf.distribute.InputContext()
    pipelines, own = context.num_input_pipelines, context.input_pipeline_id
    by_file = len(files) >= pipelines
    if by_file:
        dataset = dataset.shard(pipelines, own)
    if config.training:
        dataset = _shuffled(dataset, len(files), config.seed, epoch)
        dataset = dataset.interleave(
            tf.data.TFRecordDataset,
            cycle_length=min(len(files), _INTERLEAVED_FILES),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=config.seed is not None,
        )
    else:
        dataset = dataset.flat_map(tf.data.TFRecordDataset)
    if not by_file:
        dataset = dataset.shard(pipelines, own)
    return dataset


def _matching_files(patterns: str | Sequence[str]) -> list[str]:
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
    return tf.data.Dataset.zip(items, seeds.skip(2 * first).batch(2)).map(
        make_example,
        num_parallel_calls=tf.data.AUTOTUNE,
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

    def mixed(epoch: tf.Tensor) -> tf.data.Dataset:
        items = items_of_epoch(epoch)
        return _shuffled(items, config.shuffle_buffer, config.seed, epoch)

    zero, number, begun = tf.constant(0, tf.int64), 0, 0
    if _is_empty(items_of_epoch(zero)):
        return items_of_epoch(zero)  # for ever nothing would never end
    if config.first_example:
        count = items_of_epoch(zero).reduce(zero, lambda n, _: n + 1)
        number, begun = divmod(config.first_example, int(count))
    first = mixed(tf.constant(number, tf.int64)).skip(begun)
    later = tf.data.Dataset.range(number + 1, tf.int64.max)
    return first.concatenate(later.flat_map(mixed))


def _is_empty(items: tf.data.Dataset) -> bool:
    try:
        return not any(True for _ in items.take(1))
    except tf.errors.OpError:
        return False  # who reads in earnest will see the error


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
