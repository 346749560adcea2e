"""Image files that people hand to a tool."""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image


@dataclasses.dataclass(frozen=True)
class Photograph:
    """A file that starts like a JPEG or PNG; `size_px` is (width, height)."""

    path: pathlib.Path
    size_px: tuple[int, int]

    @property
    def image_id(self) -> str:
        return self.path.stem

    def pixels(self) -> np.ndarray:
        """uint8 [H, W, 3], decoded as for training; grey becomes RGB.

        Raises:
          ValueError: the file is damaged.
        """
        content = self.path.read_bytes()
        try:
            image = tf.io.decode_image(
                content, channels=3, expand_animations=False
            )
        except tf.errors.OpError as error:
            raise ValueError(
                f"{self.path} cannot be decoded: {error.message}"
            ) from error
        return image.numpy()


def open_photograph(path: pathlib.Path) -> Photograph:
    """Reads the head of a file.

    Raises:
      FileNotFoundError: there is none.
      ValueError: it is no usable image.
    """
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            size_px = image.size
    except FileNotFoundError:
        raise
    except Exception as error:  # Pillow raises many kinds on damaged files.
        raise ValueError(f"{path} is no JPEG or PNG image.") from error
    if size_px[0] * size_px[1] < 2:
        raise ValueError(
            f"{path} has {size_px[0]}x{size_px[1]} pixels; at least two are "
            "needed."
        )
    return Photograph(path, size_px)
