"""Cityscapes (arXiv:1604.01685) to panoptic maps.

Layout: `leftImg8bit/SPLIT/CITY/CITY_SEQ_FRAME_leftImg8bit.png` and
`gtFine/SPLIT/CITY/CITY_SEQ_FRAME_gtFine_instanceIds.png`. Image ids are
`CITY_SEQ_FRAME`, as in the official panoptic files.
"""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from axial_deeplab.data import cityscapes_labels, convert_coco, label_files
from axial_deeplab.data.annotated_images import (
    AnnotatedImage,
    Example,
    distinct,
    look_up,
    number_instances,
    whole_image,
)
from axial_deeplab.data.dataset_specs import DatasetSpec, dataset_spec

_IMAGE_END = "_leftImg8bit.png"


@dataclasses.dataclass(frozen=True)
class CityscapesTree:
    """One split, read from the instance images; whatever is there of it."""

    data_dir: pathlib.Path
    split: str
    spec: DatasetSpec = dataset_spec("cityscapes_panoptic")

    def items(self) -> list[AnnotatedImage]:
        folder = self.data_dir / "leftImg8bit" / self.split
        images = label_files.files_below(folder, f"*/*{_IMAGE_END}", "images")
        return [self._item(path) for path in images]

    def examples(self, item: AnnotatedImage) -> Iterator[Example]:
        path = item.label_files[0]
        ids = label_files.read_labels(path)
        yield whole_image(item, panoptic_map(ids, self.spec, str(path)))

    def _item(self, image: pathlib.Path) -> AnnotatedImage:
        frame = image.name.removesuffix(_IMAGE_END)
        labels = self.data_dir / "gtFine" / self.split / image.parent.name
        labels /= f"{frame}_gtFine_instanceIds.png"
        return AnnotatedImage(f"{frame}.png", image, (labels,))


@dataclasses.dataclass(frozen=True)
class CityscapesPanoptic(convert_coco.CocoPanoptic):
    """One split, read from the official panoptic JSON and PNGs.

    `images_dir` is `leftImg8bit/SPLIT`. Category ids may be label ids or, as
    the official tool also writes them, train ids.
    """

    def image_file(self, entry: dict[str, Any]) -> pathlib.Path:
        city = str(entry["id"]).split("_")[0]
        name = f"{city}/{entry['id']}{_IMAGE_END}"
        return label_files.file_in(
            self.images_dir, name, str(self.panoptic_json)
        )

    def record_name(self, entry: dict[str, Any]) -> str:
        return f"{entry['id']}.png"


def panoptic_map(
    instance_ids: np.ndarray, spec: DatasetSpec, where: str
) -> np.ndarray:
    """Panoptic map, int32 [H, W], of the values of an instance image [H, W].

    A region of objects that could not be told apart (a value below 1000 of a
    class with instances) is a crowd; labels that are not evaluated are void.

    Raises:
      ValueError: a value has no label, or a class too many instances.
    """
    values = distinct(instance_ids)[0].tolist()
    result, objects = {}, {}
    for value in values:
        try:
            label = cityscapes_labels.label_of_instance_id(value)
        except KeyError as error:
            raise ValueError(f"{where}: {error.args[0]}") from error
        if not label.is_evaluated:
            result[value] = spec.void_id
        elif value < cityscapes_labels.INSTANCE_DIVISOR:
            result[value] = label.train_id * spec.label_divisor
        else:
            objects.setdefault(label.train_id, []).append(value)
    result |= number_instances(objects, spec, where)
    return look_up(instance_ids, result, where)
