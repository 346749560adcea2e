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
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from axial_deeplab.data import label_files
from axial_deeplab.data.annotated_images import (
    AnnotatedImage,
    Example,
    whole_image,
)
from axial_deeplab.data.dataset_specs import ClassSpec, DatasetSpec


@dataclasses.dataclass(frozen=True)
class CocoPanoptic:
    """The images of one panoptic JSON file.

    Any data set can come in this format, with its original ids as category
    ids; the ids of this package will do if `categories` lists them.
    """

    images_dir: pathlib.Path
    panoptic_json: pathlib.Path
    panoptic_dir: pathlib.Path
    spec: DatasetSpec

    def items(self) -> list[AnnotatedImage]:
        """The annotated images in the order of the JSON.

        Raises:
          FileNotFoundError: a folder or the JSON is missing.
          ValueError: the JSON is none of this format, names a file outside of
            its folder, or lists an image twice or none.
        """
        for folder, what in (
            (self.images_dir, "images"),
            (self.panoptic_dir, "panoptic PNGs"),
        ):
            label_files.files_below(folder, "**/*.*", what)
        content = label_files.read_json(self.panoptic_json)
        try:
            items = self._items(content)
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{self.panoptic_json} is no COCO panoptic file: {error!r}."
            ) from error
        if not items:
            raise ValueError(f"{self.panoptic_json} holds no annotations.")
        return items

    def examples(self, item: AnnotatedImage) -> Iterator[Example]:
        """The one example of an image.

        Raises:
          FileNotFoundError, ValueError: a file is missing or damaged, image
            and map differ in size, or the map contradicts the JSON.
        """
        path = item.label_files[0]
        ids = label_files.read_segment_ids(path)
        panoptic = panoptic_map(ids, item.segments, self.spec, str(path))
        yield whole_image(item, panoptic)

    def image_file(self, entry: dict[str, Any]) -> pathlib.Path:
        """Where the image of an entry of the JSON's `images` is."""
        where = str(self.panoptic_json)
        return label_files.file_in(self.images_dir, entry["file_name"], where)

    def record_name(self, entry: dict[str, Any]) -> str:
        """The file name to store, its image id and a suffix."""
        return pathlib.PurePosixPath(entry["file_name"]).name

    def _items(self, content: dict[str, Any]) -> list[AnnotatedImage]:
        where = str(self.panoptic_json)
        entry_by_id = _by_id(content["images"], "id", where)
        annotations = _by_id(content["annotations"], "image_id", where)
        names = self._category_names(content.get("categories"))
        items = []
        for image_id, annotation in annotations.items():
            entry = entry_by_id[image_id]
            png = label_files.file_in(
                self.panoptic_dir, annotation["file_name"], where
            )
            segments = tuple(annotation["segments_info"])
            if names:
                segments = tuple(_renamed(one, names) for one in segments)
            name, image = self.record_name(entry), self.image_file(entry)
            items.append(AnnotatedImage(name, image, (png,), segments))
        return items

    def _category_names(self, categories) -> dict[int, int]:
        """Original ids by category id where the file uses this package's."""
        ids = {one["id"] for one in categories or ()}
        original = self.spec.class_by_original_id
        own = self.spec.class_by_id
        if ids <= set(original) or not ids <= set(own):
            return {}  # an unknown one is named with its segment
        return {number: own[number].original_id for number in ids}


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


def _by_id(entries: list[dict[str, Any]], field: str, where: str) -> dict:
    result = {entry[field]: entry for entry in entries}
    if len(result) != len(entries):
        ids = [entry[field] for entry in entries]
        twice = next(x for x in ids if ids.count(x) > 1)
        raise ValueError(f"{where} lists the {field} {twice!r} twice.")
    return result


def _renamed(segment: Any, names: dict[int, int]) -> Any:
    if not isinstance(segment, dict) or "category_id" not in segment:
        return segment  # refused with its file
    category = segment["category_id"]
    return segment | {"category_id": names.get(category, category)}
