"""COCO-panoptic files: a JSON list of segments and one id PNG an image.

Format: https://cocodataset.org/#format-data, section 4. The id of a segment
is R + 256 G + 65536 B of its pixels; 0 is void. Panoptic maps are int32 [H, W]
of `class * label_divisor + instance` as a `DatasetSpec` lays down.
"""

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from axial_deeplab.data.dataset_specs import DatasetSpec
from axial_deeplab.evaluation import run_lengths

_Path = str | os.PathLike


def panoptic_categories(spec: DatasetSpec) -> list[dict[str, Any]]:
    """The COCO-panoptic `categories` of a data set, under its original ids."""
    return [
        {
            "id": one.original_id,
            "name": one.name,
            "supercategory": one.name,
            "isthing": int(one.is_thing),
            "color": list(one.colour),
        }
        for one in spec.classes
    ]


def panoptic_segments(
    panoptic_map: np.ndarray, spec: DatasetSpec
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Splits a panoptic map [H, W] into COCO-panoptic segments.

    Each panoptic id is one segment, numbered from 1 in ascending order; void
    becomes 0. A thing with instance 0 is a crowd (`iscrowd` 1).

    Returns:
        Segment ids, uint32 [H, W], and per segment its `id`, original
        `category_id`, `iscrowd`, `area` and `bbox` [x, y, width, height] in
        pixels.

    Raises:
        ValueError: The map is no integer map, or holds an unknown class.
    """
    panoptic = np.asarray(panoptic_map)
    if (
        panoptic.ndim != 2
        or not panoptic.size
        or panoptic.dtype.kind not in "iu"
    ):
        raise ValueError(
            f"A panoptic map must be integer [height, width]; got "
            f"{panoptic.dtype} {list(panoptic.shape)}."
        )
    starts, lengths = run_lengths.runs(panoptic)
    values, which = np.unique(panoptic.ravel()[starts], return_inverse=True)
    is_void = values // spec.label_divisor == spec.ignore_label
    ids = np.where(is_void, 0, np.cumsum(~is_void)).astype(np.uint32)
    id_map = np.repeat(ids[which], lengths).reshape(panoptic.shape)
    areas = np.bincount(which, weights=lengths).astype(np.int64)
    boxes = _boxes(starts, lengths, which, panoptic.shape[1])
    segments = [
        {"id": int(ids[i]), **_category(int(values[i]), spec)}
        | {"area": int(areas[i]), "bbox": boxes[i].tolist()}
        for i in np.flatnonzero(~is_void)
    ]
    return id_map, segments


class PanopticResultWriter:
    """Writes panoptic maps as `output_dir/NAME.json` and `output_dir/NAME/`.

    The JSON comes last and at once, on `close` or at the end of a `with` block
    that raised nothing: a folder without it is unfinished. The same files
    serve as truth and as prediction.
    """

    def __init__(
        self, output_dir: _Path, spec: DatasetSpec, name: str = "panoptic"
    ):
        self._spec = spec
        self.json_file = pathlib.Path(output_dir) / f"{_plain_name(name)}.json"
        self.folder = self.json_file.with_suffix("")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._images: dict[str | int, dict] = {}
        self._annotations: list[dict] = []

    def add(
        self, image_id: str | bytes | int, panoptic_map: np.ndarray
    ) -> pathlib.Path:
        """Writes the id PNG of one panoptic map [H, W]; returns its path.

        An `image_id` of decimal digits becomes an integer in the JSON, as in
        the COCO files ("000000142238" is the image 142238).
        """
        if isinstance(image_id, bytes):
            image_id = image_id.decode()
        file_name = _plain_name(str(image_id)) + ".png"
        key = int(image_id) if str(image_id).isdecimal() else str(image_id)
        if key in self._images:
            raise ValueError(f"The image id {key!r} came twice.")
        id_map, segments = panoptic_segments(panoptic_map, self._spec)
        path = self.folder / file_name
        if not self._images:
            # From here on, a JSON file of an earlier run would be wrong.
            self.json_file.unlink(missing_ok=True)
        write_id_png(path, id_map)
        height, width = id_map.shape
        self._images[key] = {
            "id": key,
            "file_name": file_name,
            "height": height,
            "width": width,
        }
        self._annotations.append(
            {
                "image_id": key,
                "file_name": file_name,
                "segments_info": segments,
            }
        )
        return path

    def close(self) -> pathlib.Path:
        """Writes the JSON file and returns its path."""
        content = {
            "images": list(self._images.values()),
            "annotations": self._annotations,
            "categories": panoptic_categories(self._spec),
        }
        write_json(self.json_file, content)
        return self.json_file

    def __enter__(self) -> "PanopticResultWriter":
        return self

    def __exit__(self, error_type, error, traceback) -> None:
        if error_type is None:
            self.close()


def read_panoptic_json(path: _Path, *fields: str) -> dict[str, Any]:
    """Reads a COCO-panoptic JSON file that must have the given lists.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no JSON, or a list is missing.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no annotation file {path}.")
    try:
        content = json.loads(pathlib.Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON file: {error}") from error
    for field in fields:
        if not isinstance(content, dict) or not _is_list_of_dicts(
            content.get(field)
        ):
            raise ValueError(
                f"{path} is no COCO-panoptic file: it has no list `{field}`."
            )
    return content


def file_in_folder(folder: _Path, name: str) -> pathlib.Path:
    """Path of a file that a JSON file names.

    Raises:
        ValueError: The name leads out of the folder, by itself or by a link.
        FileNotFoundError: There is no such file.
    """
    root = pathlib.Path(folder).resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise ValueError(f"The file name {name!r} leads out of {folder}.")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {name!r} in {folder}.")
    return path


def read_id_png(path: _Path) -> np.ndarray:
    """Segment ids, uint32 [H, W], of an 8-bit RGB(A) PNG; alpha is ignored.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such PNG, or damaged.
    """
    try:
        with Image.open(path, formats=("PNG",)) as image:
            mode, rgba = image.mode, image.convert("RGBA")
    except FileNotFoundError:
        raise
    except (
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ) as e:
        raise ValueError(f"{path} is no readable PNG: {e}") from e
    if mode not in ("RGB", "RGBA"):
        raise ValueError(
            f"{path} is a PNG of mode {mode}; segment ids need 8-bit RGB."
        )
    words = np.frombuffer(rgba.tobytes(), "<u4").astype(np.uint32, copy=False)
    return (words & np.uint32(0xFFFFFF)).reshape(rgba.height, rgba.width)


def write_id_png(path: _Path, ids: np.ndarray) -> None:
    """Writes segment ids [H, W] in 0..2**24-1 as a PNG, whole or not at all."""
    ids = np.asarray(ids)
    if ids.min() < 0 or ids.max() > 0xFFFFFF:
        raise ValueError(f"{path}: segment ids must lie in 0..{0xFFFFFF}.")
    words = np.ascontiguousarray(ids, "<u4")
    rgb = words.view(np.uint8).reshape(*ids.shape, 4)[..., :3]
    image = Image.fromarray(np.ascontiguousarray(rgb))
    _write_whole(path, lambda stream: image.save(stream, format="PNG"))


def write_json(path: _Path, content: Any) -> None:
    """Writes JSON, whole or not at all."""
    text = json.dumps(content, allow_nan=False)
    _write_whole(path, lambda stream: stream.write(text.encode()))


def _write_whole(path: _Path, write: Callable[[BinaryIO], Any]) -> None:
    path = pathlib.Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as stream:
            write(stream)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _category(panoptic_id: int, spec: DatasetSpec) -> dict[str, int]:
    class_id, instance = divmod(panoptic_id, spec.label_divisor)
    one = spec.class_by_id.get(class_id)
    if one is None:
        raise ValueError(
            f"The panoptic id {panoptic_id} has the class {class_id}, which "
            f"{spec.name} does not have."
        )
    is_crowd = one.is_thing and instance == 0
    return {"category_id": one.original_id, "iscrowd": int(is_crowd)}


def _boxes(
    starts: np.ndarray, lengths: np.ndarray, which: np.ndarray, width_px: int
) -> np.ndarray:
    """[x, y, width, height] of each value, int64 [values, 4], from its runs."""
    rows, left = np.divmod(starts, width_px)
    number = which.max() + 1
    lowest = np.full((number, 2), np.iinfo(np.int64).max)
    highest = np.zeros((number, 2), np.int64)
    np.minimum.at(lowest, which, np.stack([left, rows], axis=1))
    ends = np.stack([left + lengths, rows + 1], axis=1)
    np.maximum.at(highest, which, ends)
    return np.concatenate([lowest, highest - lowest], axis=1)


def _plain_name(name: str) -> str:
    """The name, if it can only name something in its own folder."""
    if not name or name in (".", "..") or set(name) & set("/\\:\0"):
        raise ValueError(f"{name!r} cannot be used as a file name.")
    return name


def _is_list_of_dicts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, dict) for v in value)
