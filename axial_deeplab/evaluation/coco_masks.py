"""Masks in COCO's run lengths."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from pycocotools import mask as mask_utils

from axial_deeplab.evaluation.panoptic_checks import segment_field


def encoded_mask(mask: np.ndarray) -> dict[str, Any]:
    """COCO run lengths of a mask, bool [H, W]; `counts` is text for JSON."""
    encoded = mask_utils.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(mask.shape), "counts": encoded["counts"].decode()}


def segment_encoder(ids: np.ndarray) -> Callable[[int], dict[str, Any]]:
    """Gives the run lengths of a segment of a map [H, W].

    Run lengths go down the columns: of the transposed map each mask has their
    order without a copy.
    """
    columns = np.ascontiguousarray(ids.T)
    return lambda segment_id: mask_utils.encode(
        (columns == segment_id).view(np.uint8).T
    )


def checked_mask(
    detection: Mapping[str, Any], size: tuple[int, ...], where: str
) -> dict[str, Any]:
    """The `segmentation` of a detection as compressed run lengths.

    Raises:
        KeyError: There is none.
        ValueError: It is no run lengths of that size.
    """
    encoded = segment_field(detection, "segmentation", where)
    is_mask = isinstance(encoded, Mapping) and {"size", "counts"} <= set(
        encoded
    )
    counts = encoded["counts"] if is_mask else None
    if not isinstance(counts, str | bytes | list):
        raise ValueError(f"{where} a segmentation is no run lengths.")
    check_size(size, tuple(encoded["size"]), where)
    if isinstance(counts, list):
        mask = mask_utils.frPyObjects(dict(encoded), *size)
    else:
        text = counts.encode() if isinstance(counts, str) else counts
        mask = {"size": list(size), "counts": text}
    if mask_utils.area(mask) > size[0] * size[1]:
        raise ValueError(f"{where} a segmentation has more pixels than fit.")
    return mask


def check_size(
    truth: tuple[int, ...], predicted: tuple[int, ...], where: str
) -> None:
    """Refuses maps of different sizes."""
    if truth != predicted:
        raise ValueError(
            f"{where} truth and prediction differ in size: {list(truth)} and "
            f"{list(predicted)}."
        )
