"""A tiny data set in COCO's panoptic format, drawn by hand."""

import json
import pathlib

import numpy as np
from PIL import Image

# Segment ids as painted; 70000 and 16777215 need all three colour channels.
LEFT = np.array(
    [
        [0, 0, 5, 5, 5],
        [70000, 70000, 5, 300, 300],
        [70000, 9, 9, 300, 16777215],
        [8, 9, 9, 16777215, 16777215],
    ]
)
LEFT_SEGMENTS = (
    {"id": 5, "category_id": 200, "area": 4, "iscrowd": 0},
    {"id": 70000, "category_id": 1, "area": 3, "iscrowd": 0},
    {"id": 9, "category_id": 90, "area": 4, "iscrowd": 0},
    {"id": 300, "category_id": 1, "area": 3, "iscrowd": 0},
    {"id": 8, "category_id": 1, "area": 1, "iscrowd": 1},
    {"id": 16777215, "category_id": 200, "area": 3, "iscrowd": 0},
)
# person 1, toothbrush 80 and rug 133 are the classes; void is 0.
LEFT_PANOPTIC = np.array(
    [
        [0, 0, 34048, 34048, 34048],
        [257, 257, 34048, 258, 258],
        [257, 20481, 20481, 258, 34048],
        [256, 20481, 20481, 34048, 34048],
    ]
)
RIGHT = np.array([[7, 7, 7], [7, 7, 0]])
RIGHT_SEGMENTS = ({"id": 7, "category_id": 92, "area": 5, "iscrowd": 0},)


def write_id_png(path: pathlib.Path, ids: np.ndarray) -> None:
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1)
    Image.fromarray(rgb.astype(np.uint8)).save(path)


def write_coco_case(folder: pathlib.Path) -> None:
    """Writes images/, panoptic/ and panoptic.json."""
    images, panoptic = folder / "images", folder / "panoptic"
    images.mkdir()
    panoptic.mkdir()
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (*LEFT.shape, 3), np.uint8)
    Image.fromarray(colour).save(images / "000000000012.jpg")
    grey = rng.integers(0, 256, RIGHT.shape, np.uint8)
    Image.fromarray(grey).save(images / "right.png")
    write_id_png(panoptic / "000000000012.png", LEFT)
    write_id_png(panoptic / "right_segments.png", RIGHT)
    content = {
        "images": [
            {"id": "r", "file_name": "right.png"},
            {"id": 12, "file_name": "000000000012.jpg"},
        ],
        "annotations": [
            {
                "image_id": 12,
                "file_name": "000000000012.png",
                "segments_info": LEFT_SEGMENTS,
            },
            {
                "image_id": "r",
                "file_name": "right_segments.png",
                "segments_info": RIGHT_SEGMENTS,
            },
        ],
    }
    (folder / "panoptic.json").write_text(json.dumps(content))
