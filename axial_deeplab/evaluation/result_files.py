"""COCO-panoptic files: a JSON list of segments and one id PNG an image.

Format: https://cocodataset.org/#format-data, section 4. The id of a segment
is R + 256 G + 65536 B of its pixels; 0 is void. Panoptic maps are int32 [H, W]
of `class * label_divisor + instance` as a `DatasetSpec` lays down.
"""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from axial_deeplab.data.dataset_specs import DatasetSpec
from axial_deeplab.evaluation import run_lengths
from axial_deeplab.evaluation.png_files import write_id_png
from axial_deeplab.evaluation.whole_files import (
    plain_name,
    read_json,
    write_json,
)

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


def segment_scores(
    panoptic_map: np.ndarray, score_map: np.ndarray, spec: DatasetSpec
) -> dict[int, float]:
    """Mean of a score map, float [H, W], in each thing, by panoptic id."""
    starts, lengths = run_lengths.runs(panoptic_map)
    values, which = np.unique(
        np.ravel(panoptic_map)[starts], return_inverse=True
    )
    scores = np.add.reduceat(np.ravel(score_map).astype(np.float64), starts)
    means = np.bincount(which, scores) / np.bincount(which, lengths)
    return {
        value: mean
        for value, mean in zip(values.tolist(), means.tolist(), strict=True)
        if value // spec.label_divisor in spec.thing_ids
    }


def panoptic_segments(
    panoptic_map: np.ndarray,
    spec: DatasetSpec,
    scores: Mapping[int, float] | None = None,
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Splits a panoptic map [H, W] into COCO-panoptic segments.

    Each panoptic id is one segment, numbered from 1 in ascending order; void
    becomes 0. A thing with instance 0 is a crowd (`iscrowd` 1).

    Returns:
        Segment ids, uint32 [H, W], and per segment its `id`, original
        `category_id`, `iscrowd`, `area` and `bbox` [x, y, width, height] in
        pixels, and its `score` where `scores` has its panoptic id.

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
    table = run_lengths.value_table(panoptic)
    values = table.values
    is_void = values // spec.label_divisor == spec.ignore_label
    ids = np.where(is_void, 0, np.cumsum(~is_void)).astype(np.uint32)
    segments = [
        {"id": int(ids[i]), **_category(int(values[i]), spec)}
        | {"area": int(table.areas[i]), "bbox": table.boxes[i].tolist()}
        | _score(int(values[i]), scores or {})
        for i in np.flatnonzero(~is_void)
    ]
    return table.painted(ids), segments


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
        self.json_file = pathlib.Path(output_dir) / f"{plain_name(name)}.json"
        self.folder = self.json_file.with_suffix("")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._images: dict[str | int, dict] = {}
        self._annotations: list[dict] = []

    def add(
        self,
        image_id: str | bytes | int,
        panoptic_map: np.ndarray,
        scores: Mapping[int, float] | None = None,
    ) -> pathlib.Path:
        """Writes the id PNG of one panoptic map [H, W]; returns its path.

        Args:
            image_id: Decimal digits become an integer in the JSON, as in the
                COCO files ("000000142238" is the image 142238).
            panoptic_map: Panoptic ids.
            scores: Scores of segments by panoptic id.
        """
        if isinstance(image_id, bytes):
            image_id = image_id.decode()
        file_name = plain_name(str(image_id)) + ".png"
        key = int(image_id) if str(image_id).isdecimal() else str(image_id)
        if key in self._images:
            raise ValueError(f"The image id {key!r} came twice.")
        id_map, segments = panoptic_segments(panoptic_map, self._spec, scores)
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

    def last_entry(self) -> dict[str, dict]:
        """What the JSON will say of the image that came last."""
        image = self._images[self._annotations[-1]["image_id"]]
        return {"image": image, "annotation": self._annotations[-1]}

    def restore(self, entry: dict[str, dict]) -> None:
        """Adds a `last_entry` of an earlier run, whose PNG is there."""
        self._images[entry["image"]["id"]] = entry["image"]
        self._annotations.append(entry["annotation"])

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
    content = read_json(path)
    for field in fields:
        if not isinstance(content, dict) or not is_list_of_dicts(
            content.get(field)
        ):
            raise ValueError(
                f"{path} is no COCO-panoptic file: it has no list `{field}`."
            )
    return content


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


def _score(panoptic_id: int, scores: Mapping[int, float]) -> dict[str, float]:
    if panoptic_id not in scores:
        return {}
    return {"score": float(scores[panoptic_id])}


def is_list_of_dicts(value: Any) -> bool:
    """Whether JSON content is a list of objects."""
    return isinstance(value, list) and all(isinstance(v, dict) for v in value)
