"""The images of batches, without what fills the batches up."""

from collections.abc import Iterator, Mapping

import numpy as np

from axial_deeplab import keys


def unpadded(
    labels: Mapping[str, np.ndarray], *batches: np.ndarray
) -> Iterator[tuple]:
    """Index and maps of each image of a batch.

    Args:
      labels: HEIGHT and WIDTH [B] in pixels, by key; without them all images
        are as large as the maps. What has height 0 is a blank and left out.
      *batches: maps [B, H, W, ...].
    """
    count, *sides = batches[0].shape[:3]
    heights_px, widths_px = (
        np.asarray(labels.get(key, np.full(count, side)))
        for key, side in zip((keys.HEIGHT, keys.WIDTH), sides, strict=True)
    )
    for index in np.flatnonzero(heights_px):
        valid = np.s_[index, : heights_px[index], : widths_px[index]]
        yield int(index), *(np.asarray(maps[valid]) for maps in batches)
