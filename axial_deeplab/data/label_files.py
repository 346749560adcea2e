"""The files of annotated data sets, each read whole or refused by name."""

import collections
import io
import json
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

_READ_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
# Modes of one channel: 1 and 8 bits, palette (its indices count), 16 bits.
_LABEL_MODES = ("1", "L", "P", "I;16", "I;16B", "I")
_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}


def existing_folder(
    candidates: Iterable[pathlib.Path], what: str
) -> pathlib.Path:
    """The first of several folders that is there.

    Raises:
      FileNotFoundError: none is; names the first one.
    """
    candidates = list(candidates)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"No folder {candidates[0]} (of {what}).")


def files_below(
    folder: pathlib.Path, pattern: str, what: str
) -> list[pathlib.Path]:
    """All files of a folder that match a glob pattern, sorted.

    Raises:
      FileNotFoundError: there is no such folder.
      ValueError: no file matches.
    """
    existing_folder([folder], what)
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not found:
        raise ValueError(f"No {pattern} (of {what}) in {folder}.")
    return found


def images_below(folder: pathlib.Path) -> list[pathlib.Path]:
    """All PNG and JPEG files of a folder and its folders, sorted.

    Raises:
      FileNotFoundError: there is no such folder.
      ValueError: it holds no image, or two of one name but for the suffix.
    """
    found = files_below(folder, "**/*.*", "images")
    found = [x for x in found if x.suffix.lower() in _IMAGE_SUFFIXES]
    if not found:
        raise ValueError(f"No PNG or JPEG files in {folder}.")
    by_stem: dict[pathlib.Path, pathlib.Path] = {}
    for path in found:
        twin = by_stem.setdefault(path.with_suffix(""), path)
        if twin is not path:
            raise ValueError(f"{twin} and {path} have the same name.")
    return found


def file_in(folder: pathlib.Path, name: Any, where: str) -> pathlib.Path:
    """`folder/name`, which `where` speaks of.

    Raises:
      ValueError: the name is no relative path that stays inside the folder.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where}: a file name must be text; got {name!r}.")
    path = pathlib.PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise ValueError(
            f"{where}: the file name {name!r} leads out of {folder}."
        )
    return folder / path


def read_json(path: pathlib.Path) -> Any:
    """The content of a JSON file.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is no JSON file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No annotation file {path}.")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON file: {error}.") from error


def read_names(path: pathlib.Path) -> list[str]:
    """The lines of a list of image names, without blank ones.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is empty, or names an image twice.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No list of images {path}.")
    names = path.read_text(encoding="utf-8").split()
    if not names:
        raise ValueError(f"{path} names no image.")
    if len(set(names)) != len(names):
        name, _ = collections.Counter(names).most_common(1)[0]
        raise ValueError(f"{path} names {name} twice.")
    return names


def read_rgb_png(path: pathlib.Path) -> np.ndarray:
    """Pixels, uint8 [H, W, 3], of an RGB PNG; alpha is dropped.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is no such PNG, or damaged.
    """
    mode, pixels = _read_png(path)
    if mode not in ("RGB", "RGBA"):
        raise ValueError(f"{path} is a PNG of mode {mode}; ids need RGB.")
    return pixels[..., :3]


def read_segment_ids(path: pathlib.Path) -> np.ndarray:
    """Ids R + 256 G + 65536 B of an RGB PNG, int32 [H, W]; raises as above."""
    return packed_rgb(read_rgb_png(path))


def packed_rgb(pixels: np.ndarray) -> np.ndarray:
    """R + 256 G + 65536 B, int32 [H, W], of uint8 [H, W, 3]."""
    red, green, blue = np.moveaxis(pixels.astype(np.int32), -1, 0)
    return red + 256 * green + 65536 * blue


def read_labels(path: pathlib.Path) -> np.ndarray:
    """Labels, int32 [H, W], of a PNG with one channel of up to 16 bits.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is no such PNG, or damaged.
    """
    mode, pixels = _read_png(path)
    if mode not in _LABEL_MODES:
        raise ValueError(
            f"{path} is a PNG of mode {mode}; labels need one channel."
        )
    return pixels.astype(np.int32)


def _read_png(path: pathlib.Path) -> tuple[str, np.ndarray]:
    if not path.is_file():
        raise FileNotFoundError(f"No PNG {path}.")
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return image.mode, np.asarray(image)
    except _READ_ERRORS as error:
        raise ValueError(f"{path} is no readable PNG: {error}.") from error


def read_image_file(path: pathlib.Path) -> tuple[bytes, str, tuple[int, int]]:
    """File content, `jpeg` or `png`, and (height, width) of an image.

    RGB files in PNG or JPEG stay as they are, others become an RGB PNG.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is no image, or damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No image {path}.")
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            size = image.size[::-1]
            if image.mode == "RGB" and image.format in ("JPEG", "PNG"):
                return content, image.format.lower(), size
            return png_bytes(np.asarray(image.convert("RGB"))), "png", size
    except _READ_ERRORS as error:
        raise ValueError(f"{path} is no readable image: {error}.") from error


def read_pixels(path: pathlib.Path) -> np.ndarray:
    """Pixels, uint8 [H, W, 3], of an image file; raises as above."""
    content, _, _ = read_image_file(path)
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def png_bytes(image: np.ndarray) -> bytes:
    """The PNG file of an image, uint8 [H, W, 3]."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="PNG")
    return stream.getvalue()
