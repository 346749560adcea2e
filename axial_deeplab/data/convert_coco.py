"""COCO panoptic annotations to records.

Format: https://cocodataset.org/#format-data, section 4: a JSON list of
segments and one id PNG an image, id = R + 256 G + 65536 B, 0 is void.

Things that are no crowd become instances 1, 2, ... of their class; stuff
segments of one class are merged. Crowds keep their class and have instance 0,
merged per class, rather than becoming void: the training targets give them a
semantic label but no center, and evaluation can apply the rule that a crowd
excuses predictions of its own class alone.
"""

import dataclasses
import io
import json
import pathlib
from typing import Any

import numpy as np
from PIL import Image

from axial_deeplab.data import tfrecord_schema
from axial_deeplab.data.dataset_specs import ClassSpec, DatasetSpec

_READ_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


@dataclasses.dataclass(frozen=True)
class PanopticItem:
    """Files and segments of one annotated image.

    `segments` are the JSON's `segments_info`: dicts with `id`, `category_id`,
    `area` in pixels and `iscrowd`.
    """

    image_file: pathlib.Path
    segments_file: pathlib.Path
    segments: tuple[dict[str, Any], ...]


def list_panoptic_items(
    images_dir: pathlib.Path,
    panoptic_json: pathlib.Path,
    panoptic_dir: pathlib.Path,
) -> list[PanopticItem]:
    """The annotated images of a panoptic JSON file, in its order.

    Raises:
      FileNotFoundError: a folder or file is missing.
      ValueError: a folder is empty, or the JSON is none of this format.
    """
    image_names = _file_names(images_dir, "images")
    segment_names = _file_names(panoptic_dir, "panoptic PNGs")
    content = _read_json(panoptic_json)
    try:
        name_by_image = {i["id"]: i["file_name"] for i in content["images"]}
        found = [
            (
                name_by_image[annotation["image_id"]],
                annotation["file_name"],
                tuple(annotation["segments_info"]),
            )
            for annotation in content["annotations"]
        ]
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{panoptic_json} is no COCO panoptic file: {error!r}."
        ) from error
    if not found:
        raise ValueError(f"{panoptic_json} holds no annotations.")
    for image_name, segments_name, _ in found:
        if image_name not in image_names:
            raise FileNotFoundError(f"No image {images_dir / image_name}.")
        if segments_name not in segment_names:
            raise FileNotFoundError(f"No PNG {panoptic_dir / segments_name}.")
    return [
        PanopticItem(images_dir / image, panoptic_dir / png, segments)
        for image, png, segments in found
    ]


def panoptic_record(item: PanopticItem, spec: DatasetSpec) -> bytes:
    """One image with its map as a serialized example.

    RGB files in PNG or JPEG are stored as they are, others (grey, CMYK) as an
    RGB PNG.

    Raises:
      ValueError: a file is damaged, image and map differ in size, or the map
        contradicts the JSON; names the file.
    """
    panoptic = panoptic_map(
        _read_segment_ids(item.segments_file),
        item.segments,
        spec,
        name=str(item.segments_file),
    )
    image_bytes, image_format, size = _read_image(item.image_file)
    if size != panoptic.shape:
        raise ValueError(
            f"{item.image_file} has {_size(size)} px, but "
            f"{item.segments_file} {_size(panoptic.shape)}."
        )
    return tfrecord_schema.encode_example(
        image_bytes, image_format, item.image_file.name, panoptic
    )


def panoptic_map(
    segment_ids: np.ndarray,
    segments: tuple[dict[str, Any], ...],
    spec: DatasetSpec,
    name: str,
) -> np.ndarray:
    """Panoptic map, int32 [H, W], of segment ids [H, W] (0 is void).

    Raises:
      ValueError: the segments are not those of the map: an id occurs in one
        of them alone, twice, or with another area; a category is unknown, or
        a class has too many instances. Names `name` and the id.
    """
    ids, inverse, areas = np.unique(
        segment_ids, return_inverse=True, return_counts=True
    )
    area_by_id = dict(zip(ids.tolist(), areas.tolist(), strict=True))
    panoptic_by_id = {0: spec.void_id}
    instances: dict[int, int] = {}
    for segment in segments:
        _check_segment(segment, area_by_id, panoptic_by_id, name)
        one = _class_of(segment, spec, name)
        instance = 0
        if one.is_thing and not segment["iscrowd"]:
            instance = instances[one.id] = instances.get(one.id, 0) + 1
        if instance >= spec.label_divisor:
            raise ValueError(
                f"{name}: more than {spec.label_divisor - 1} instances of "
                f"{one.name}; {spec.name} cannot number them."
            )
        panoptic_by_id[segment["id"]] = one.id * spec.label_divisor + instance
    unlisted = sorted(set(area_by_id) - set(panoptic_by_id))
    if unlisted:
        raise ValueError(
            f"{name}: segment {unlisted[0]} has pixels but is not in the JSON."
        )
    lookup = np.array([panoptic_by_id[i] for i in ids.tolist()], np.int32)
    return lookup[inverse].reshape(segment_ids.shape)


def _class_of(segment, spec: DatasetSpec, name: str) -> ClassSpec:
    one = spec.class_by_original_id.get(segment["category_id"])
    if one is None:
        raise ValueError(
            f"{name}: segment {segment['id']} has category "
            f"{segment['category_id']}, which {spec.name} does not have."
        )
    return one


def _check_segment(segment, area_by_id, known, name: str) -> None:
    for field in ("id", "category_id", "area", "iscrowd"):
        if not isinstance(segment, dict) or not isinstance(
            segment.get(field), int
        ):
            raise ValueError(
                f"{name}: a segment of the JSON has no whole number "
                f"{field!r}: {segment}."
            )
    number, area = segment["id"], segment["area"]
    if number in known:
        what = "is void and no segment" if number == 0 else "is listed twice"
        raise ValueError(f"{name}: id {number} {what} in the JSON.")
    if number not in area_by_id:
        raise ValueError(f"{name}: segment {number} of the JSON has no pixel.")
    if area != area_by_id[number]:
        raise ValueError(
            f"{name}: segment {number} has {area_by_id[number]} pixels, but "
            f"area {area} in the JSON."
        )


def _file_names(folder: pathlib.Path, what: str) -> set[str]:
    if not folder.is_dir():
        raise FileNotFoundError(f"No folder {folder} (of {what}).")
    names = {path.name for path in folder.iterdir() if path.is_file()}
    if not names:
        raise ValueError(f"The folder {folder} (of {what}) is empty.")
    return names


def _read_json(path: pathlib.Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"No annotation file {path}.")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON file: {error}.") from error


def _read_segment_ids(path: pathlib.Path) -> np.ndarray:
    """Ids of an RGB PNG, int32 [H, W]."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            mode, pixels = image.mode, np.asarray(image)
    except _READ_ERRORS as error:
        raise ValueError(f"{path} is no readable PNG: {error}.") from error
    if mode not in ("RGB", "RGBA"):
        raise ValueError(f"{path} is a PNG of mode {mode}; ids need RGB.")
    red, green, blue = np.moveaxis(pixels[..., :3].astype(np.int32), -1, 0)
    return red + 256 * green + 65536 * blue


def _read_image(path: pathlib.Path) -> tuple[bytes, str, tuple[int, int]]:
    """File content, `jpeg` or `png`, and (height, width) of an image."""
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            size = image.size[::-1]
            if image.mode == "RGB" and image.format in ("JPEG", "PNG"):
                return content, image.format.lower(), size
            stream = io.BytesIO()
            image.convert("RGB").save(stream, format="PNG")
            return stream.getvalue(), "png", size
    except _READ_ERRORS as error:
        raise ValueError(f"{path} is no readable image: {error}.") from error


def _size(size_px: tuple[int, int]) -> str:
    return f"{size_px[0]}x{size_px[1]}"
