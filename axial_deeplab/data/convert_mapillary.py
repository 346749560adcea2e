"""Mapillary Vistas 1.2 (Neuhold et al., ICCV 2017) to panoptic maps.

Layout: `training/images/NAME.jpg` and `training/instances/NAME.png`, in the
newer archive `training/v1.2/instances/NAME.png`; also `validation`. Instance
images have 16 bits, label * 256 + number, numbers starting anywhere.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np

from axial_deeplab.data import label_files
from axial_deeplab.data.annotated_images import (
    AnnotatedImage,
    Example,
    distinct,
    look_up,
    number_instances,
    whole_image,
)
from axial_deeplab.data.dataset_specs import DatasetSpec, dataset_spec
from axial_deeplab.data.mapillary_labels import INSTANCE_DIVISOR

_FOLDERS = {"train": "training", "val": "validation"}


@dataclasses.dataclass(frozen=True)
class MapillaryTree:
    """One split, read from the instance images; whatever is there of it."""

    data_dir: pathlib.Path
    split: str
    spec: DatasetSpec = dataset_spec("mapillary_panoptic")

    def items(self) -> list[AnnotatedImage]:
        root = self.data_dir / _FOLDERS.get(self.split, self.split)
        labels = label_files.existing_folder(
            (root / "instances", root / "v1.2" / "instances"), "instance PNGs"
        )
        images = label_files.files_below(root / "images", "*.jpg", "images")
        return [
            AnnotatedImage(x.name, x, (labels / f"{x.stem}.png",))
            for x in images
        ]

    def examples(self, item: AnnotatedImage) -> Iterator[Example]:
        path = item.label_files[0]
        values = label_files.read_labels(path)
        yield whole_image(item, panoptic_map(values, self.spec, str(path)))


def panoptic_map(
    values: np.ndarray, spec: DatasetSpec, where: str
) -> np.ndarray:
    """Panoptic map, int32 [H, W], of the values of an instance image [H, W].

    Every value of a thing is an instance; there is no crowd.

    Raises:
      ValueError: a value has no label; names it.
    """
    result, objects = {}, {}
    for value in distinct(values)[0].tolist():
        label = value // INSTANCE_DIVISOR
        if label == spec.ignore_label:
            result[value] = spec.void_id
            continue
        one = spec.class_by_id.get(label)
        if one is None:
            continue  # look_up names the pixel
        if one.is_thing:
            objects.setdefault(label, []).append(value)
        else:
            result[value] = label * spec.label_divisor
    result |= number_instances(objects, spec, where)
    return look_up(values, result, where)
