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
    """

    file_pattern: str | Sequence[str]
    _: dataclasses.KW_ONLY
    batch_size: int
    training: bool = True
    seed: int | None = None
    shuffle_buffer: int = 1000
    repeat: bool = False


def read_records(
    config: ReadingConfig, input_context: tf.distribute.InputContext | None
) -> tf.data.Dataset:
    """Serialized examples of this pipeline's share, in file order or mixed.

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
        dataset = dataset.shuffle(len(files), seed=config.seed)
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
    items: tf.data.Dataset,
    make_example: Callable[[Any, tf.Tensor], Any],
    config: ReadingConfig,
) -> tf.data.Dataset:
    """`make_example(item, seed)` of the items in random order."""
    items = items.shuffle(config.shuffle_buffer, seed=config.seed)
    if config.repeat:
        items = items.repeat()
    # Each example carries its own random state, so that what it becomes does
    # not depend on which thread works on it.
    seeds = tf.data.Dataset.random(
        config.seed, rerandomize_each_iteration=True
    ).batch(2)
    return tf.data.Dataset.zip(items, seeds).map(
        make_example,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=config.seed is not None,
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
