"""Pictures as people keep them: files, folders, patterns and lists."""

import dataclasses
import glob
import os
import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image

_SUFFIXES = (".jpg", ".jpeg", ".png")
# EXIF orientations (CIPA DC-008, tag 0x0112) but 1, which is upright.
_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNS_ON_SIDE = [_TURNS[orientation] for orientation in (5, 6, 7, 8)]


@dataclasses.dataclass(frozen=True)
class Photograph:
    """A file that starts like a JPEG or PNG; `size_px` is (width, height).

    `turn` is what Pillow does to the stored pixels to make them upright.
    """

    path: pathlib.Path
    size_px: tuple[int, int]
    turn: Image.Transpose | None = None

    @property
    def image_id(self) -> str:
        return self.path.stem

    def pixels(self) -> np.ndarray:
        """uint8 [H, W, 3], decoded as for training; grey becomes RGB."""
        content = self.path.read_bytes()
        try:
            image = tf.io.decode_image(
                content, channels=3, expand_animations=False
            )
        except tf.errors.OpError as error:
            raise ValueError(
                f"{self.path} cannot be decoded: {error.message}"
            ) from error
        if self.turn is None:
            return image.numpy()
        upright = Image.fromarray(image.numpy()).transpose(self.turn)
        return np.asarray(upright)


def find_images(images: str) -> list[pathlib.Path]:
    """Files of a folder or pattern, sorted, of a list, or one; never none."""
    path = pathlib.Path(images)
    if path.is_file():
        return _listed(path) if path.suffix == ".txt" else [path]
    if path.is_dir():
        found = [
            one
            for one in sorted(path.iterdir())
            if one.suffix.lower() in _SUFFIXES and one.name[0] != "."
        ]
        missing = f"the folder {images} holds no {', '.join(_SUFFIXES)} file"
    else:
        names = sorted(glob.glob(images, recursive=True))
        found = [pathlib.Path(one) for one in names if os.path.isfile(one)]
        missing = f"there is no folder or file {images}, and nothing matches it"
    if not found:
        raise FileNotFoundError(missing)
    return found


def _listed(path: pathlib.Path) -> list[pathlib.Path]:
    """Paths that stand in a text file, one a line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    paths = [pathlib.Path(line.strip()) for line in lines if line.strip()]
    if not paths:
        raise ValueError(f"{path} names no file.")
    return paths


def open_photograph(path: pathlib.Path, upright: bool = False) -> Photograph:
    """Reads the head of a file.

    Args:
      path: a JPEG or PNG.
      upright: whether to turn it as its EXIF data says, which annotations of
        data sets do not.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is no usable image.
    """
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            size_px = image.size
            orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"There is no file {path}.") from error
    except Exception as error:  # Pillow raises many kinds on damaged files.
        raise ValueError(f"{path} is no JPEG or PNG image.") from error
    if size_px[0] * size_px[1] < 2:
        raise ValueError(
            f"{path} has {size_px[0]}x{size_px[1]} pixels; at least two are "
            "needed."
        )
    turn = _TURNS.get(orientation) if upright else None
    if turn in _TURNS_ON_SIDE:
        size_px = size_px[::-1]
    return Photograph(path, size_px, turn)


def check_image_ids(paths: list[pathlib.Path]) -> None:
    """Refuses names that would be written to one entry, like 7 and 007."""
    seen: dict[str | int, pathlib.Path] = {}
    for path in paths:
        key = int(path.stem) if path.stem.isdecimal() else path.stem
        if key in seen:
            raise ValueError(
                f"{seen[key]} and {path} would both be the image {key}; "
                "rename one."
            )
        seen[key] = path
