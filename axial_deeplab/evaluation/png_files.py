"""PNGs of segment ids, labels and masks.

Every reader refuses what is no PNG, is damaged, or has another kind of pixels
than its own, in one line that names the file.
"""

import os

import numpy as np
from PIL import Image

from axial_deeplab.evaluation.whole_files import write_whole

_Path = str | os.PathLike
# Modes of one channel: 1 and 8 bits, palette (its indices count), 16 bits.
_LABEL_MODES = ("1", "L", "P", "I;16", "I;16B", "I")


class DamagedPngError(OSError, ValueError):
    """A file is no PNG, or no whole one; Pillow alone raises an OSError."""


class PixelKindError(TypeError, ValueError):
    """A PNG has other pixels than needed; a TypeError in panopticapi."""


def read_id_png(path: _Path) -> np.ndarray:
    """Segment ids, uint32 [H, W], of an 8-bit RGB(A) PNG; alpha is ignored.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no PNG (a DamagedPngError), or no such PNG (a
            PixelKindError).
    """
    mode, image = _open(path)
    if mode not in ("RGB", "RGBA"):
        raise PixelKindError(
            f"{path} is a PNG of mode {mode}; segment ids need 8-bit RGB."
        )
    # Four bytes a pixel, whatever the fourth: one word each.
    pixels = image.tobytes("raw", "RGBX" if mode == "RGB" else "RGBA")
    words = np.frombuffer(pixels, "<u4").astype(np.uint32, copy=False)
    return (words & np.uint32(0xFFFFFF)).reshape(image.height, image.width)


def read_label_png(path: _Path) -> np.ndarray:
    """Labels, integers [H, W], of a PNG with one channel of up to 16 bits.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no PNG (a DamagedPngError), or no such PNG (a
            PixelKindError).
    """
    mode, image = _open(path)
    if mode not in _LABEL_MODES:
        raise PixelKindError(
            f"{path} is a PNG of mode {mode}, which has multiple channels; "
            f"labels need one."
        )
    labels = np.asarray(image)
    return labels.astype(np.uint8) if labels.dtype == bool else labels


def read_mask_png(path: _Path) -> np.ndarray:
    """Mask, bool [H, W], of a PNG: what is not black in 8-bit grey.

    As in the official tool, very dark colours round to black.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no PNG, or damaged.
    """
    return np.asarray(_open(path, "L")[1]) != 0


def write_id_png(path: _Path, ids: np.ndarray) -> None:
    """Writes segment ids [H, W] in 0..2**24-1 as a PNG, whole or not at all."""
    ids = np.asarray(ids)
    if ids.min() < 0 or ids.max() > 0xFFFFFF:
        raise ValueError(f"{path}: segment ids must lie in 0..{0xFFFFFF}.")
    words = np.ascontiguousarray(ids, "<u4")
    rgb = words.view(np.uint8).reshape(*ids.shape, 4)[..., :3]
    image = Image.fromarray(np.ascontiguousarray(rgb))
    write_whole(path, lambda stream: image.save(stream, format="PNG"))


def write_label_png(path: _Path, labels: np.ndarray) -> None:
    """Writes labels [H, W] in 0..255 as an 8-bit grey PNG, whole or not."""
    labels = np.asarray(labels)
    if labels.min() < 0 or labels.max() > 255:
        raise ValueError(f"{path}: labels must lie in 0..255.")
    image = Image.fromarray(labels.astype(np.uint8))
    write_whole(path, lambda stream: image.save(stream, format="PNG"))


def _open(path: _Path, mode: str | None = None) -> tuple[str, Image.Image]:
    """The mode in the file and the decoded image, converted to `mode`."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            found = image.mode
            if mode is not None:
                return found, image.convert(mode)
            image.load()
            return found, image
    except FileNotFoundError:
        raise
    except (
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ) as e:
        raise DamagedPngError(f"{path} is no readable PNG: {e}") from e
