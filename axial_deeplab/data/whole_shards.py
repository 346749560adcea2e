"""One TFRecord file of annotated images, written whole or not at all."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from axial_deeplab.data.annotated_images import AnnotatedImage, Source


@dataclasses.dataclass(frozen=True)
class Job:
    """A file and what is to be in it."""

    path: pathlib.Path
    items: Sequence[AnnotatedImage]
    source: Source
    skip_bad: bool

    @property
    def count_file(self) -> pathlib.Path:
        """Is there once the file is finished, and tells what it holds."""
        return self.path.with_suffix(".count")


@dataclasses.dataclass
class ShardCount:
    """What a file holds; `skipped` are (image, reason, kind)."""

    images: int = 0
    segments: int = 0
    skipped: list[tuple[str, str, str]] = dataclasses.field(
        default_factory=list
    )

    @classmethod
    def read(cls, path: pathlib.Path) -> "ShardCount":
        """The count that `write_shard` has written."""
        return cls(**json.loads(path.read_text()))


def write_shard(job: Job, on_item: Callable[[], None]) -> None:
    """Writes the file of a job, then its count.

    Raises:
      FileNotFoundError, ValueError: a file of an image is missing or damaged,
        and bad images are not to be skipped.
    """
    count = ShardCount()
    unfinished = job.path.with_suffix(".unfinished")
    with tf.io.TFRecordWriter(os.fspath(unfinished)) as writer:
        for item in job.items:
            for record in _records(job, item, count):
                writer.write(record)
            on_item()
    os.replace(unfinished, job.path)
    unfinished.write_text(json.dumps(dataclasses.asdict(count)))
    os.replace(unfinished, job.count_file)


def _records(job: Job, item: AnnotatedImage, count: ShardCount) -> list[bytes]:
    """All records of an image, or none and the reason why."""
    try:
        examples = list(job.source.examples(item))
    except (FileNotFoundError, ValueError) as error:
        if not job.skip_bad:
            raise
        missing = isinstance(error, FileNotFoundError)
        kind = "missing" if missing else "damaged or contradictory"
        count.skipped.append((item.name, str(error), kind))
        return []
    count.images += len(examples)
    void_id = job.source.spec.void_id
    count.segments += sum(_segments(x.panoptic, void_id) for x in examples)
    return [example.record() for example in examples]


def _segments(panoptic: np.ndarray, void_id: int) -> int:
    """How many panoptic ids but void a map [H, W] has."""
    flat = panoptic.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=flat[:1] - 1))
    return int(np.count_nonzero(np.unique(flat[starts]) != void_id))
