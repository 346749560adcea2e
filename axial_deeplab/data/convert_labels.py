"""Data sets of images with one label image each, for semantic segmentation.

Covered are COCO-Stuff, Pascal VOC, Pascal Context and own data. Classes have
instance 0, so that all data sets share one kind of record.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

from axial_deeplab.data import (
    coco_stuff_labels,
    label_files,
    mat_files,
    pascal_labels,
)
from axial_deeplab.data.annotated_images import (
    AnnotatedImage,
    Example,
    look_up,
    semantic_ids,
    whole_image,
)
from axial_deeplab.data.dataset_specs import DatasetSpec, dataset_spec


@dataclasses.dataclass(frozen=True)
class CocoStuffTree:
    """One split of COCO-Stuff 164k; whatever is there of it.

    Layout: `train2017/NAME.jpg` and `stuffthingmaps_trainval2017/train2017/
    NAME.png`, or with `images/` and `annotations/` above `train2017`.
    """

    data_dir: pathlib.Path
    split: str
    spec: DatasetSpec = dataset_spec("coco_stuff")

    def items(self) -> list[AnnotatedImage]:
        split = f"{self.split.removesuffix('2017')}2017"
        images = label_files.existing_folder(
            (self.data_dir / split, self.data_dir / "images" / split), "images"
        )
        names = ("stuffthingmaps_trainval2017", "annotations")
        labels = label_files.existing_folder(
            [self.data_dir / name / split for name in names], "label PNGs"
        )
        return [
            AnnotatedImage(x.name, x, (labels / f"{x.stem}.png",))
            for x in label_files.files_below(images, "*.jpg", "images")
        ]

    def examples(self, item: AnnotatedImage) -> Iterator[Example]:
        offset = coco_stuff_labels.FILE_ID_OFFSET
        ids = {k - offset: v for k, v in semantic_ids(self.spec).items()}
        ids[coco_stuff_labels.FILE_VOID] = self.spec.void_id
        yield _labelled(item, ids)


@dataclasses.dataclass(frozen=True)
class PascalVocTree:
    """The images of `ImageSets/Segmentation/SPLIT.txt` of VOC 2012.

    Labels are in `SegmentationClass`, those of the split `trainaug` in
    `SegmentationClassAug`.
    """

    data_dir: pathlib.Path
    split: str
    spec: DatasetSpec = dataset_spec("pascal_voc")
    list_folder: str = "Segmentation"

    def items(self) -> list[AnnotatedImage]:
        names = self.data_dir / "ImageSets" / self.list_folder
        names /= f"{self.split}.txt"
        images = self.data_dir / "JPEGImages"
        labels = self.data_dir / self._label_folder()
        for folder in (images, labels):
            label_files.existing_folder([folder], "the data set")
        return [
            AnnotatedImage(
                f"{name}.jpg",
                label_files.file_in(images, f"{name}.jpg", str(names)),
                (label_files.file_in(labels, f"{name}.png", str(names)),),
            )
            for name in label_files.read_names(names)
        ]

    def examples(self, item: AnnotatedImage) -> Iterator[Example]:
        ids = semantic_ids(self.spec)
        ids[pascal_labels.VOC_FILE_VOID] = self.spec.void_id
        yield _labelled(item, ids)

    def _label_folder(self) -> str:
        augmented = self.split == "trainaug"
        return "SegmentationClassAug" if augmented else "SegmentationClass"


@dataclasses.dataclass(frozen=True)
class PascalContextTree(PascalVocTree):
    """The images of one split of VOC 2010 that Pascal Context has labelled.

    Labels are the official `trainval/NAME.mat`, of which
    `ImageSets/Main/SPLIT.txt` lists a part, or, if there are none, PNGs in
    `SegmentationClassContext` with 0 for background and 1 to 59 for the
    classes in alphabetical order, as the common conversion writes them, for
    the images of `ImageSets/SegmentationContext/SPLIT.txt`.
    """

    spec: DatasetSpec = dataset_spec("pascal_context")
    list_folder: str = "SegmentationContext"

    def items(self) -> list[AnnotatedImage]:
        folder = self.data_dir / "trainval"
        if not folder.is_dir():
            return super().items()
        names = self.data_dir / "ImageSets" / "Main" / f"{self.split}.txt"
        listed = label_files.read_names(names)
        labelled = [
            name for name in listed if (folder / f"{name}.mat").exists()
        ]
        if not labelled:
            raise ValueError(f"No label file for any image of {names}.")
        images = self.data_dir / "JPEGImages"
        return [
            AnnotatedImage(
                f"{name}.jpg", images / f"{name}.jpg", (folder / f"{name}.mat",)
            )
            for name in labelled
        ]

    def examples(self, item: AnnotatedImage) -> Iterator[Example]:
        path = item.label_files[0]
        divisor = self.spec.label_divisor
        if path.suffix == ".png":
            ids = {c.id: c.id * divisor for c in self.spec.classes}
            yield _labelled(item, ids)
            return
        labels = mat_files.read_matrix(path, "LabelMap")
        # What is none of the 59 classes is background, whose id is 0.
        ids = dict.fromkeys(range(pascal_labels.CONTEXT_LABELS + 1), 0)
        ids |= semantic_ids(self.spec)
        yield whole_image(item, look_up(labels, ids, str(path)))

    def _label_folder(self) -> str:
        return "SegmentationClassContext"


@dataclasses.dataclass(frozen=True)
class LabelFolders:
    """Own data: a folder of images, and a PNG of original ids for each.

    The PNGs lie as the images do and have their names but for the suffix.
    """

    images_dir: pathlib.Path
    labels_dir: pathlib.Path
    spec: DatasetSpec

    def __post_init__(self):
        """Refuses things: label images do not tell instances apart."""
        if self.spec.thing_ids:
            name = self.spec.class_by_id[self.spec.thing_ids[0]].name
            raise ValueError(
                f"{self.spec.name}: {name} is a thing, but label images do not "
                "tell instances apart; write `thing: no`, or give panoptic "
                "PNGs and their JSON."
            )

    def items(self) -> list[AnnotatedImage]:
        label_files.existing_folder([self.labels_dir], "label PNGs")
        items = []
        for image in label_files.images_below(self.images_dir):
            inside = image.relative_to(self.images_dir)
            labels = self.labels_dir / inside.with_suffix(".png")
            items.append(AnnotatedImage(inside.as_posix(), image, (labels,)))
        return items

    def examples(self, item: AnnotatedImage) -> Iterator[Example]:
        ids = semantic_ids(self.spec)
        ids.setdefault(self.spec.ignore_label, self.spec.void_id)
        yield _labelled(item, ids)


def _labelled(item: AnnotatedImage, ids: dict[int, int]) -> Example:
    path = item.label_files[0]
    labels = label_files.read_labels(path)
    return whole_image(item, look_up(labels, ids, str(path)))
