"""iSAID (arXiv:1905.12886) to patches for semantic segmentation.

Layout: `SPLIT/images/images/NAME.png` and `SPLIT/Semantic_masks/images/
NAME_instance_color_RGB.png`, with or without the inner `images`. Patches are
those of the common recipe, 896 px overlapping by 384, and named
NAME_TOP_BOTTOM_LEFT_RIGHT.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np

from axial_deeplab.data import isaid_labels, label_files
from axial_deeplab.data.annotated_images import (
    AnnotatedImage,
    Example,
    look_up,
)
from axial_deeplab.data.dataset_specs import DatasetSpec, dataset_spec


@dataclasses.dataclass(frozen=True)
class IsaidTree:
    """One split in patches; whatever is there of it.

    A side shorter than `patch_px` gives patches that short.
    """

    data_dir: pathlib.Path
    split: str
    spec: DatasetSpec = dataset_spec("isaid")
    patch_px: int = 896
    overlap_px: int = 384

    def __post_init__(self):
        """Refuses patches that do not advance."""
        if not 0 <= self.overlap_px < self.patch_px:
            raise ValueError(
                "Patches must be larger than their overlap; got "
                f"{self.patch_px} and {self.overlap_px} px."
            )

    def items(self) -> list[AnnotatedImage]:
        root = self.data_dir / self.split
        folders = [
            label_files.existing_folder(
                (root / name / "images", root / name), what
            )
            for name, what in (
                ("images", "images"),
                ("Semantic_masks", "masks"),
            )
        ]
        images = label_files.files_below(folders[0], "*.png", "images")
        return [
            AnnotatedImage(
                x.name, x, (folders[1] / f"{x.stem}_instance_color_RGB.png",)
            )
            for x in images
        ]

    def examples(self, item: AnnotatedImage) -> Iterator[Example]:
        path = item.label_files[0]
        colours = label_files.packed_rgb(label_files.read_rgb_png(path))
        panoptic = look_up(colours, self._id_by_colour(), str(path))
        image = label_files.read_pixels(item.image_file)
        if image.shape[:2] != panoptic.shape:
            raise ValueError(f"{item.image_file} and {path} differ in size.")
        for top in self.starts(panoptic.shape[0]):
            for left in self.starts(panoptic.shape[1]):
                rows = slice(top, top + self.patch_px)
                columns = slice(left, left + self.patch_px)
                patch = image[rows, columns]
                bottom, right = top + patch.shape[0], left + patch.shape[1]
                stem = pathlib.PurePath(item.name).stem
                name = f"{stem}_{top}_{bottom}_{left}_{right}.png"
                content = label_files.png_bytes(patch)
                yield Example(content, "png", name, panoptic[rows, columns])

    def starts(self, side_px: int) -> list[int]:
        """First pixels of the patches along a side; the last one is flush."""
        last = max(side_px - self.patch_px, 0)
        step = self.patch_px - self.overlap_px
        return sorted({*range(0, last, step), last})

    def _id_by_colour(self) -> dict[int, int]:
        colours = {c.id: c.colour for c in self.spec.classes}
        colours[0] = isaid_labels.FILE_BACKGROUND_COLOUR
        weights = np.array([1, 256, 65536])
        return {
            int(np.dot(colour, weights)): number * self.spec.label_divisor
            for number, colour in colours.items()
        }
