"""Miniature data sets in their official layouts, drawn by hand.

Each `write_*` makes one image of `SIZE` a split, and returns the panoptic map
that a conversion must give, as (class, instance) pairs' ids.
"""

import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

from tests.data.coco_case import write_id_png

SIZE = (4, 6)


def photograph(path: pathlib.Path, size=SIZE, seed=0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def label_png(path: pathlib.Path, values, dtype=np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, dtype)).save(path)


CITYSCAPES_VALUES = [
    [7, 7, 26000, 26001, 26001, 26],
    [7, 7, 26000, 26001, 29001, 26],
    [1, 24003, 24003, 24, 29, 23],
    [0, 24003, 24003, 24, 29, 23],
]
# car 13, person 11, road 0, sky 10; divisor 1000, void 255000.
CITYSCAPES_MAP = [
    [0, 0, 13001, 13002, 13002, 13000],
    [0, 0, 13001, 13002, 255000, 13000],
    [255000, 11001, 11001, 11000, 255000, 10000],
    [255000, 11001, 11001, 11000, 255000, 10000],
]
FRAME = "ulm_000003_000019"


def write_cityscapes(root: pathlib.Path) -> None:
    photograph(root / "leftImg8bit/val/ulm" / f"{FRAME}_leftImg8bit.png")
    label_png(
        root / "gtFine/val/ulm" / f"{FRAME}_gtFine_instanceIds.png",
        CITYSCAPES_VALUES,
        np.uint16,
    )


def write_cityscapes_panoptic(root: pathlib.Path, train_ids: bool) -> None:
    """The official panoptic files beside the tree of `write_cityscapes`."""
    values = np.array(CITYSCAPES_VALUES)
    labels = {7: 0, 26: 13, 24: 11, 23: 10}
    ids = np.zeros_like(values)
    segments = []
    for value in np.unique(values).tolist():
        label = value // 1000 if value >= 1000 else value
        if label not in labels:
            continue
        ids[values == value] = value
        category = labels[label] if train_ids else label
        crowd = int(label in (24, 26) and value < 1000)
        area = int((values == value).sum())
        segments.append(
            {"id": value, "category_id": category, "area": area}
            | {"iscrowd": crowd}
        )
    folder = root / "gtFine" / "cityscapes_panoptic_val"
    folder.mkdir()
    write_id_png(folder / f"{FRAME}_gtFine_panoptic.png", ids)
    content = {
        "images": [
            {"id": FRAME, "file_name": f"{FRAME}_gtFine_leftImg8bit.png"}
        ],
        "annotations": [
            {
                "image_id": FRAME,
                "file_name": f"{FRAME}_gtFine_panoptic.png",
                "segments_info": segments,
            }
        ],
        "categories": [
            {"id": new if train_ids else old, "name": "x"}
            for old, new in labels.items()
        ],
    }
    folder.with_suffix(".json").write_text(json.dumps(content))


# Cars 55 with numbers 0 and 255, road 13, void 65.
MAPILLARY_VALUES = [
    [55 * 256, 55 * 256, 55 * 256 + 255, 13 * 256, 13 * 256, 65 * 256],
    [55 * 256, 55 * 256, 55 * 256 + 255, 13 * 256, 13 * 256, 65 * 256],
    [19 * 256 + 7, 13 * 256, 13 * 256, 13 * 256, 13 * 256, 65 * 256],
    [19 * 256 + 7, 13 * 256, 13 * 256, 13 * 256, 13 * 256, 65 * 256],
]
MAPILLARY_MAP = [
    [55001, 55001, 55002, 13000, 13000, 65000],
    [55001, 55001, 55002, 13000, 13000, 65000],
    [19001, 13000, 13000, 13000, 13000, 65000],
    [19001, 13000, 13000, 13000, 13000, 65000],
]


def write_mapillary(root: pathlib.Path, inner: str = "") -> None:
    folder = root / "validation"
    photograph(folder / "images" / "a1.jpg")
    label_png(
        folder / inner / "instances" / "a1.png", MAPILLARY_VALUES, np.uint16
    )


# wall 1, bed 8 (first thing), window 9; 0 is everything else.
ADE20K_LABELS = [
    [1, 1, 8, 8, 9, 0],
    [1, 1, 8, 8, 9, 0],
    [1, 1, 8, 8, 9, 0],
    [5, 5, 8, 8, 5, 5],
]
# (category, object): bed 1 twice; window 2 also covers a pixel of "other".
ADE20K_OBJECTS = [
    [(0, 0), (0, 0), (1, 3), (1, 5), (2, 200), (2, 200)],
    [(0, 0), (0, 0), (1, 3), (1, 5), (2, 200), (0, 0)],
    [(0, 0), (0, 0), (1, 3), (1, 5), (0, 0), (0, 0)],
    [(0, 0), (0, 0), (1, 3), (1, 5), (0, 0), (0, 0)],
]
ADE20K_MAP = [
    [0, 0, 7001, 7002, 8001, 8001],
    [0, 0, 7001, 7002, 8001, 255000],
    [0, 0, 7001, 7002, 255000, 255000],
    [4000, 4000, 7001, 7002, 4000, 4000],
]
ADE20K_SEMANTIC_MAP = [
    [0, 0, 7000, 7000, 8000, 255000],
    [0, 0, 7000, 7000, 8000, 255000],
    [0, 0, 7000, 7000, 8000, 255000],
    [4000, 4000, 7000, 7000, 4000, 4000],
]


def write_ade20k(root: pathlib.Path) -> None:
    name = "ADE_val_00000001"
    photograph(root / "images/validation" / f"{name}.jpg")
    label_png(root / "annotations/validation" / f"{name}.png", ADE20K_LABELS)
    objects = np.array(ADE20K_OBJECTS, np.uint8)
    pixels = np.concatenate([objects, np.zeros((*SIZE, 1), np.uint8)], axis=-1)
    label_png(root / "annotations_instance/validation" / f"{name}.png", pixels)


# Official id - 1 of person 1, stop sign 13, banner 92, wood 182.
COCO_STUFF_LABELS = [[0, 12, 91, 181, 255, 255]] * 4
COCO_STUFF_MAP = [[0, 11000, 80000, 170000, 255000, 255000]] * 4


def write_coco_stuff(root: pathlib.Path) -> None:
    photograph(root / "val2017" / "000000000001.jpg")
    label_png(
        root / "stuffthingmaps_trainval2017/val2017" / "000000000001.png",
        COCO_STUFF_LABELS,
    )


VOC_LABELS = [[0, 1, 20, 15, 255, 255]] * 4
VOC_MAP = [[0, 1000, 20000, 15000, 255000, 255000]] * 4


def write_voc(
    root: pathlib.Path,
    labels="SegmentationClass",
    lists="Segmentation",
    split="val",
    values=VOC_LABELS,
) -> None:
    photograph(root / "JPEGImages" / "2007_000033.jpg")
    names = root / "ImageSets" / lists / f"{split}.txt"
    names.parent.mkdir(parents=True)
    names.write_text("2007_000033\n")
    path = root / labels / "2007_000033.png"
    path.parent.mkdir()
    palette = Image.fromarray(np.array(values, np.uint8), mode="P")
    palette.putpalette([7 * i % 256 for i in range(768)])
    palette.save(path)


# unknown 0, aeroplane 2, accordion 1, wood 458.
CONTEXT_LABELS = [[0, 2, 1, 458, 458, 459]] * 4
CONTEXT_MAP = [[0, 1000, 0, 59000, 59000, 0]] * 4


def write_context(root: pathlib.Path, compressed: bool) -> None:
    """Also lists an image that has no labels, as most of VOC 2010."""
    photograph(root / "JPEGImages" / "2008_000002.jpg")
    names = root / "ImageSets" / "Main" / "val.txt"
    names.parent.mkdir(parents=True)
    names.write_text("2008_000002\n2008_000003\n")
    path = root / "trainval" / "2008_000002.mat"
    path.parent.mkdir()
    path.write_bytes(
        mat_file("LabelMap", np.array(CONTEXT_LABELS, np.uint16), compressed)
    )


def mat_file(name: str, values: np.ndarray, compressed: bool) -> bytes:
    """A MATLAB 5 file of one uint16 matrix."""

    def element(kind, content):
        padding = b"\0" * (-len(content) % 8)
        return struct.pack("<II", kind, len(content)) + content + padding

    # Array flags (class uint16), size, name, values column by column.
    matrix = element(6, struct.pack("<II", 11, 0))
    matrix += element(5, struct.pack("<ii", *values.shape))
    matrix += element(1, name.encode())
    matrix += element(4, values.astype("<u2").tobytes(order="F"))
    content = element(14, matrix)
    if compressed:
        content = zlib.compress(content)
        content = struct.pack("<II", 15, len(content)) + content
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    return header + content


def write_isaid(root: pathlib.Path, labels: np.ndarray, colours) -> None:
    """`labels` [H, W] are classes, `colours` their colours in the files."""
    photograph(root / "val/images/images/P0003.png", labels.shape)
    label_png(
        root / "val/Semantic_masks/images/P0003_instance_color_RGB.png",
        np.array(colours, np.uint8)[labels],
    )
