"""Scikit-learn's handwritten digits as records of labelled images."""

import numpy as np
from PIL import Image

from axial_deeplab.data import labelled_images
from axial_deeplab.data.convert_shapes import png_bytes

SIZE_PX = 32
_BRIGHTEST = 16
TEST_DIGITS = 360  # a fifth of all
# The generator whose permutations NumPy promises never to change.
_SEED = 0


def split_digits(count: int) -> dict[str, np.ndarray]:
    """Indices of the digits by split, the same on every machine.

    The writers stand one after the other, so the digits are shuffled first.
    """
    order = np.random.RandomState(_SEED).permutation(count)
    return {"train": order[:-TEST_DIGITS], "test": order[-TEST_DIGITS:]}


def digit_image(digit: np.ndarray) -> np.ndarray:
    """8x8 values of 0..16 as a grey image, uint8 [32, 32, 3], bilinear."""
    grey = np.rint(digit * (255 / _BRIGHTEST)).astype(np.uint8)
    large = Image.fromarray(grey).resize(
        (SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR
    )
    return np.repeat(np.asarray(large)[..., np.newaxis], 3, axis=-1)


def digit_record(index: int, digits: np.ndarray, labels: np.ndarray) -> bytes:
    """Digit `index` as a serialized example.

    Args:
      index: which one.
      digits: [N, 8, 8], values 0..16.
      labels: [N], which digit each is.
    """
    return labelled_images.encode_record(
        png_bytes(digit_image(digits[index])),
        "png",
        f"digit_{index:04d}.png",
        int(labels[index]),
    )
