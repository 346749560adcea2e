"""Cityscapes truth in COCO's panoptic format, from its instance images."""

from typing import Any

import numpy as np

from axial_deeplab.data.cityscapes_labels import (
    EVALUATED_LABELS,
    INSTANCE_DIVISOR,
    label_of_instance_id,
)
from axial_deeplab.evaluation import run_lengths


def cityscapes_categories(use_train_ids: bool = False) -> list[dict[str, Any]]:
    """The COCO-panoptic `categories`: 19 evaluated classes, 8 of them things.

    The ids are label ids, as the test server expects them, or train ids.
    """
    return [
        {
            "id": label.train_id if use_train_ids else label.id,
            "name": label.name,
            "supercategory": label.category,
            "isthing": int(label.has_instances),
            "color": list(label.colour),
        }
        for label in EVALUATED_LABELS
    ]


def cityscapes_segments(
    instance_map: np.ndarray, use_train_ids: bool = False
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """COCO-panoptic segments of an instance image, as the official converter.

    A segment keeps its value of the instance image as id; labels that are not
    evaluated become void. A region of a class with instances but without a
    number is a crowd.

    Args:
        instance_map: Values of the instance image [H, W].
        use_train_ids: Whether `category_id` is a train id.

    Returns:
        Segment ids, uint32 [H, W], and per segment its `id`, `category_id`,
        `iscrowd`, `area` and `bbox` [x, y, width, height] in pixels.

    Raises:
        KeyError: A value has an unknown label.
    """
    instance_map = np.asarray(instance_map)
    table = run_lengths.value_table(instance_map)
    values = table.values
    labels = [label_of_instance_id(value) for value in values.tolist()]
    is_valid = np.array([label.is_evaluated for label in labels])
    ids = np.where(is_valid, values, 0).astype(np.uint32)
    segments = [
        {
            "id": int(values[index]),
            "category_id": labels[index].train_id
            if use_train_ids
            else labels[index].id,
            "area": int(table.areas[index]),
            "bbox": table.boxes[index].tolist(),
            "iscrowd": int(
                labels[index].has_instances and values[index] < INSTANCE_DIVISOR
            ),
        }
        for index in np.flatnonzero(is_valid)
    ]
    return table.painted(ids), segments
