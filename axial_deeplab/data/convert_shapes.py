"""The `shapes` data set: rendered scenes as records."""

import numpy as np

from axial_deeplab.data import synthetic_shapes, tfrecord_schema
from axial_deeplab.data.label_files import png_bytes

# Part of the seed of a scene, so that no split repeats another one's scenes.
_SPLITS = {"train": 0, "val": 1}


def render_split_scene(
    seed: int, split: str, index: int, size_px: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Scene `index` of a split: image uint8 [H, W, 3], map int32 [H, W].

    It depends on the arguments alone, not on how many scenes are made.

    Raises:
      ValueError: the split is neither `train` nor `val`.
    """
    if split not in _SPLITS:
        raise ValueError(f"The shapes have splits train, val; got {split!r}.")
    return synthetic_shapes.render_scene((seed, _SPLITS[split], index), size_px)


def scene_id(split: str, index: int) -> str:
    """Image id of a scene, the name of its files without extension."""
    return f"{split}_{index:06d}"


def shapes_record(
    index: int, seed: int, split: str, size_px: tuple[int, int]
) -> bytes:
    """Scene `index` of a split as a serialized example."""
    image, panoptic = render_split_scene(seed, split, index, size_px)
    return tfrecord_schema.encode_example(
        png_bytes(image), "png", f"{scene_id(split, index)}.png", panoptic
    )
