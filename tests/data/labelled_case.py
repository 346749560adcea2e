"""Small labelled images as records and as folders."""

import io
import pathlib

import numpy as np
from PIL import Image

from axial_deeplab.data import labelled_images, shards

CLASSES = ("a_dog", "b_cat", "c_cow")
COUNT = 7


def picture(index: int, size_px: tuple[int, int] = (24, 20)) -> np.ndarray:
    """A smooth image, uint8 [H, W, 3], whose red tells its class."""
    height, width = size_px
    y, x = np.mgrid[:height, :width]
    return np.stack(
        [np.full_like(x, 100 * label(index)), 3 * y + 9 * index, 7 * x], axis=-1
    ).astype(np.uint8)


def label(index: int) -> int:
    return index % len(CLASSES)


def encoded(image: np.ndarray, image_format: str = "png", **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, image_format, **options)
    return stream.getvalue()


def write_records(
    folder: pathlib.Path, split: str = "val", first: int = 0, number: int = 2
) -> str:
    """Writes the pictures to `number` files; returns their pattern."""

    def record(index):
        return labelled_images.encode_record(
            encoded(picture(index)), "png", f"{index}.png", label(index) + first
        )

    paths = [folder / name for name in shards.shard_names(split, number)]
    list(shards.write_shards(paths, range(COUNT), record))
    return f"{folder}/{split}-*"


def write_folders(folder: pathlib.Path) -> str:
    """Writes the pictures to a folder for each class; returns their folder."""
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        (folder / name / "notes.txt").write_text("no image")
    (folder / "readme.txt").write_text("no class")
    for index in range(COUNT):
        path = folder / CLASSES[label(index)] / f"{index}.PNG"
        path.write_bytes(encoded(picture(index)))
    return str(folder)
