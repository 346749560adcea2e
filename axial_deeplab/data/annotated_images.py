"""What all data sets on disk have in common: images, and maps made of labels.

A source lists the annotated images of one split and reads each as one or
several examples. It is picklable, so that other processes can read.
"""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from axial_deeplab.data import label_files, tfrecord_schema
from axial_deeplab.data.dataset_specs import DatasetSpec


@dataclasses.dataclass(frozen=True)
class AnnotatedImage:
    """Files of one image.

    `name` is the file name to store; without extension it is the image id.
    `segments` are the `segments_info` of COCO's panoptic format.
    """

    name: str
    image_file: pathlib.Path
    label_files: tuple[pathlib.Path, ...]
    segments: tuple[dict[str, Any], ...] = ()

    def missing_file(self) -> str | None:
        """Says which file is not there."""
        if not self.image_file.is_file():
            return f"No image {self.image_file}."
        for path in self.label_files:
            if not path.is_file():
                return f"No PNG {path}."
        return None


class Example(NamedTuple):
    """One image file, `png` or `jpeg`, its name and map, int32 [H, W]."""

    image: bytes
    format: str
    name: str
    panoptic: np.ndarray

    def record(self) -> bytes:
        """The serialized `tf.train.Example`."""
        return tfrecord_schema.encode_example(*self)


class Source(Protocol):
    """The annotated images of one split."""

    spec: DatasetSpec

    def items(self) -> list[AnnotatedImage]:
        """All images of the split, in a fixed order."""

    def examples(self, item: AnnotatedImage) -> Iterator[Example]:
        """What the records of one image hold."""


def whole_image(item: AnnotatedImage, panoptic: np.ndarray) -> Example:
    """The image file as it is with its map.

    Raises:
      FileNotFoundError: there is no such image.
      ValueError: the image is damaged, or has another size than its map.
    """
    content, image_format, size = label_files.read_image_file(item.image_file)
    if size != panoptic.shape:
        raise ValueError(
            f"{item.image_file} has {_size(size)} px, but "
            f"{item.label_files[0]} {_size(panoptic.shape)}."
        )
    return Example(content, image_format, item.name, panoptic)


def look_up(
    values: np.ndarray, result_by_value: Mapping[int, int], where: str
) -> np.ndarray:
    """Replaces each value of an integer map [H, W]; gives int32 [H, W].

    Raises:
      ValueError: a value has no result; names it and its first pixel.
    """
    found, inverse = distinct(values)
    known = [int(value) in result_by_value for value in found]
    if not all(known):
        value = int(found[known.index(False)])
        y, x = np.argwhere(values == value)[0]
        raise ValueError(
            f"{where} holds the unknown label {value}, first at row {y}, "
            f"column {x}."
        )
    results = [result_by_value[int(value)] for value in found]
    return np.array(results, np.int32)[inverse]


def distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ascending distinct values of an integer map, and where each one is.

    Returns:
      values [N] and, in the shape of the map, indices into them.
    """
    if values.size and 0 <= values.min() and values.max() < 65536:
        # Counting is several times as fast as sorting.
        present = np.bincount(values.ravel(), minlength=1) > 0
        ranks = np.cumsum(present) - 1
        return np.flatnonzero(present), ranks[values]
    found, inverse = np.unique(values, return_inverse=True)
    return found, inverse.reshape(values.shape)


def number_instances(
    values_by_class: Mapping[int, list[int]], spec: DatasetSpec, where: str
) -> dict[int, int]:
    """Panoptic ids of instances, numbered 1, 2, ... within each class.

    Args:
      values_by_class: what the objects of a class are called in the file.
      spec: says how many a class can have.
      where: for the message.

    Raises:
      ValueError: they are more than can be numbered.
    """
    result = {}
    for number, values in values_by_class.items():
        if len(values) >= spec.label_divisor:
            name = spec.class_by_id[number].name
            raise ValueError(
                f"{where}: more than {spec.label_divisor - 1} instances of "
                f"{name}; {spec.name} cannot number them."
            )
        for instance, value in enumerate(values, start=1):
            result[value] = number * spec.label_divisor + instance
    return result


def semantic_ids(spec: DatasetSpec) -> dict[int, int]:
    """Panoptic id of every class without an instance, by its original id."""
    return {c.original_id: c.id * spec.label_divisor for c in spec.classes}


def _size(size_px: tuple[int, int]) -> str:
    return f"{size_px[0]}x{size_px[1]}"
