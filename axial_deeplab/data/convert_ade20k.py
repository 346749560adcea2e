"""ADE20K's scene parsing challenge (arXiv:1608.05442) to panoptic maps.

Layout: `images/training/NAME.jpg`, `annotations/training/NAME.png` (labels 1
to 150, 0 is everything else) and, for panoptic maps,
`annotations_instance/training/NAME.png` of the instance challenge (red: its
category 1 to 100, green: number of the object); also `validation`.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np

from axial_deeplab.data import ade20k_labels, label_files
from axial_deeplab.data.annotated_images import (
    AnnotatedImage,
    Example,
    look_up,
    number_instances,
    semantic_ids,
    whole_image,
)
from axial_deeplab.data.dataset_specs import DatasetSpec, dataset_spec

_FOLDERS = {"train": "training", "val": "validation"}


@dataclasses.dataclass(frozen=True)
class Ade20kTree:
    """One split for panoptic segmentation; whatever is there of it."""

    data_dir: pathlib.Path
    split: str
    spec: DatasetSpec = dataset_spec("ade20k_panoptic")
    annotations: tuple[str, ...] = ("annotations", "annotations_instance")

    def items(self) -> list[AnnotatedImage]:
        split = _FOLDERS.get(self.split, self.split)
        folder = self.data_dir / "images" / split
        folders = [self.data_dir / name / split for name in self.annotations]
        for one in folders:
            label_files.existing_folder([one], "label PNGs")
        return [
            AnnotatedImage(
                x.name, x, tuple(one / f"{x.stem}.png" for one in folders)
            )
            for x in label_files.files_below(folder, "*.jpg", "images")
        ]

    def examples(self, item: AnnotatedImage) -> Iterator[Example]:
        path, objects = item.label_files
        labels = label_files.read_labels(path)
        pixels = label_files.read_rgb_png(objects)
        if labels.shape != pixels.shape[:2]:
            raise ValueError(f"{path} and {objects} differ in size.")
        semantic = _without_things(labels, self.spec, str(path))
        panoptic = paste_objects(semantic, pixels, self.spec, str(objects))
        yield whole_image(item, panoptic)


@dataclasses.dataclass(frozen=True)
class Ade20kSemanticTree(Ade20kTree):
    """One split for semantic segmentation; whatever is there of it."""

    spec: DatasetSpec = dataset_spec("ade20k_semantic")
    annotations: tuple[str, ...] = ("annotations",)

    def examples(self, item: AnnotatedImage) -> Iterator[Example]:
        path = item.label_files[0]
        labels = label_files.read_labels(path)
        ids = semantic_ids(self.spec)
        ids[ade20k_labels.FILE_VOID] = self.spec.void_id
        yield whole_image(item, look_up(labels, ids, str(path)))


def _without_things(labels, spec: DatasetSpec, where: str) -> np.ndarray:
    """Panoptic map of the stuff; things are void until objects cover them."""
    offset = ade20k_labels.FILE_ID_OFFSET
    ids = {
        one.original_id + offset: spec.void_id
        if one.is_thing
        else one.id * spec.label_divisor
        for one in spec.classes
    }
    ids[ade20k_labels.FILE_VOID] = spec.void_id
    return look_up(labels, ids, where)


def paste_objects(
    panoptic: np.ndarray, pixels: np.ndarray, spec: DatasetSpec, where: str
) -> np.ndarray:
    """Paints the objects of an instance image over a panoptic map [H, W].

    Args:
      panoptic: the map of the stuff, int32 [H, W].
      pixels: the instance image, uint8 [H, W, 3].
      spec: the data set; category k is its k-th thing.
      where: for messages.

    Raises:
      ValueError: a category is unknown, or an object has two.
    """
    numbers = pixels[..., 1].astype(np.int32)
    pairs = numbers * 256 + pixels[..., 0]
    found = np.flatnonzero(np.bincount(pairs.ravel(), minlength=65536))
    objects: dict[int, list[int]] = {}
    seen: set[int] = set()
    for pair in found[found >= 256].tolist():
        number, category = divmod(pair, 256)
        if not 1 <= category <= len(spec.thing_ids):
            raise ValueError(
                f"{where}: object {number} has the unknown category {category}."
            )
        if number in seen:
            raise ValueError(f"{where}: object {number} has two categories.")
        seen.add(number)
        objects.setdefault(spec.thing_ids[category - 1], []).append(pair)
    ids = number_instances(objects, spec, where)
    painted = look_up(np.where(numbers > 0, pairs, 0), ids | {0: -1}, where)
    return np.where(painted >= 0, painted, panoptic)
