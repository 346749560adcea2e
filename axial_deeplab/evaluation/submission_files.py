"""Writes predictions in the submission formats of COCO and Cityscapes.

COCO: panoptic (`PanopticResultWriter`) and instance detections. Cityscapes:
pixel level, instance level and panoptic, under label ids, not train ids.
"""

import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from axial_deeplab.data.dataset_specs import DatasetSpec, dataset_spec
from axial_deeplab.evaluation.coco_masks import encoded_mask
from axial_deeplab.evaluation.png_files import write_label_png
from axial_deeplab.evaluation.result_files import PanopticResultWriter
from axial_deeplab.evaluation.whole_files import (
    plain_name,
    write_json,
    write_whole,
)

_Path = str | os.PathLike


def coco_detections(
    image_id: str | int,
    panoptic_map: np.ndarray,
    spec: DatasetSpec,
    scores: Mapping[int, float],
) -> list[dict[str, Any]]:
    """Every thing of a panoptic map [H, W] as a COCO detection.

    Boxes are left out: with them, pycocotools would take their areas.

    Args:
        image_id: The id in the annotations of the truth.
        panoptic_map: Panoptic ids.
        spec: The data set of the map.
        scores: Score of each thing by panoptic id.

    Raises:
        KeyError: A thing has no score.
    """
    return [
        {
            "image_id": image_id,
            "category_id": category,
            "segmentation": encoded_mask(panoptic_map == panoptic_id),
            "score": score,
        }
        for panoptic_id, category, score in _things(panoptic_map, spec, scores)
    ]


def write_coco_detections(
    path: _Path, detections: list[dict[str, Any]]
) -> None:
    """Writes the detections of all images as one JSON list."""
    write_json(path, detections)


class CityscapesResultWriter:
    """Writes the three Cityscapes submissions below one folder.

    `pixels/IMAGE.png` holds label ids, `instances/IMAGE.txt` lists the masks
    `instances/masks/IMAGE_NUMBER.png`, `cityscapes_panoptic_SPLIT.json` and the
    folder of that name the panoptic result. The JSON comes last, on `close` or
    at the end of a `with` block that raised nothing.

    Args:
        output_dir: The folder, made where it is missing.
        split: Names the panoptic files.
    """

    def __init__(self, output_dir: _Path, split: str = "val"):
        self._spec = dataset_spec("cityscapes_panoptic")
        self.pixel_folder = pathlib.Path(output_dir, "pixels")
        self.instance_folder = pathlib.Path(output_dir, "instances")
        for folder in (self.pixel_folder, self.instance_folder / "masks"):
            folder.mkdir(parents=True, exist_ok=True)
        self._panoptic = PanopticResultWriter(
            output_dir, self._spec, f"cityscapes_panoptic_{split}"
        )
        self.json_file = self._panoptic.json_file

    def add(
        self,
        image_id: str,
        panoptic_map: np.ndarray,
        scores: Mapping[int, float],
    ) -> None:
        """Writes the files of one image.

        Args:
            image_id: `CITY_SEQ_FRAME`.
            panoptic_map: Panoptic ids [H, W] of the train ids.
            scores: Score of each thing by panoptic id.

        Raises:
            KeyError: A thing has no score.
            ValueError: The image came before, or a class is unknown.
        """
        self._panoptic.add(image_id, panoptic_map, scores)
        write_label_png(
            self.pixel_folder / f"{image_id}.png",
            _label_ids(panoptic_map, self._spec),
        )
        lines = []
        things = _things(panoptic_map, self._spec, scores)
        for number, (panoptic_id, label_id, score) in enumerate(things):
            mask = f"masks/{plain_name(image_id)}_{number}.png"
            write_label_png(
                self.instance_folder / mask, (panoptic_map == panoptic_id) * 255
            )
            lines.append(f"{mask} {label_id} {score!r}\n")
        text = "".join(lines).encode()
        write_whole(
            self.instance_folder / f"{image_id}.txt",
            lambda stream: stream.write(text),
        )

    def close(self) -> pathlib.Path:
        """Writes the panoptic JSON file and returns its path."""
        return self._panoptic.close()

    def __enter__(self) -> "CityscapesResultWriter":
        return self

    def __exit__(self, error_type, error, traceback) -> None:
        if error_type is None:
            self.close()


def _things(
    panoptic_map: np.ndarray, spec: DatasetSpec, scores: Mapping[int, float]
) -> Iterator[tuple[int, int, float]]:
    """Panoptic id, original category id and score of each thing."""
    for panoptic_id in np.unique(panoptic_map).tolist():
        one = spec.class_by_id.get(panoptic_id // spec.label_divisor)
        if one is None or not one.is_thing:
            continue
        if panoptic_id not in scores:
            raise KeyError(f"No score for the {one.name} {panoptic_id}.")
        yield panoptic_id, one.original_id, float(scores[panoptic_id])


def _label_ids(panoptic_map: np.ndarray, spec: DatasetSpec) -> np.ndarray:
    """Original ids, uint8 [H, W]; void becomes 0, "unlabeled"."""
    table = np.zeros(256, np.uint8)
    for one in spec.classes:
        table[one.id] = one.original_id
    return table[np.asarray(panoptic_map) // spec.label_divisor]
