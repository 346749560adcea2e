"""Finds instance centres: the peaks of the centre heatmap.

Panoptic-DeepLab (arXiv:1911.10194), section 3.3: a hard threshold, then
"keypoint" non-maximum suppression by max pooling, then the highest peaks.
"""

from typing import NamedTuple

import tensorflow as tf


class Centers(NamedTuple):
    """Centres of each image in raster order, padded to a common count N.

    The unused places of an image come last: `valid` is False there, the
    position is infinitely far away and the score is 0.
    """

    position_px: tf.Tensor  # float32 [B, N, 2], (y, x)
    score: tf.Tensor  # float32 [B, N], heatmap at the centre
    valid: tf.Tensor  # bool [B, N]


def suppress_non_maxima(
    heatmap: tf.Tensor, threshold: float, kernel_px: int
) -> tf.Tensor:
    """Zero wherever a heatmap is not a peak above the threshold.

    A value survives if it is > `threshold` and equals the maximum of the
    kernel around it; every pixel of a plateau of equal values survives. An
    even kernel reaches one pixel further down and right than up and left.

    Args:
      heatmap: [B, H, W].
      threshold: not negative.
      kernel_px: side of the square kernel.

    Returns:
      float32 [B, H, W].
    """
    heatmap = tf.cast(heatmap, tf.float32)[..., tf.newaxis]
    heatmap = tf.where(heatmap > threshold, heatmap, 0.0)
    # A square maximum is a column maximum of row maxima: 2k, not k*k steps.
    highest = tf.nn.max_pool2d(heatmap, (1, kernel_px), 1, "SAME")
    highest = tf.nn.max_pool2d(highest, (kernel_px, 1), 1, "SAME")
    return tf.where(heatmap == highest, heatmap, 0.0)[..., 0]


def find_centers(
    peaks: tf.Tensor, keep_k: int, above_kth: bool = False
) -> Centers:
    """Collects the positive places of `peaks`, at most the `keep_k` highest.

    Args:
      peaks: float32 [B, H, W] from `suppress_non_maxima`.
      keep_k: most centres of one image; among equal scores at the cut the
        first in raster order stay. 0 keeps all; the count N is then the
        largest of the batch, which XLA cannot compile.
      above_kth: keep, of more than `keep_k` centres, only those strictly
        above the `keep_k`-th score (see `PanopticRules`).

    Returns:
      `Centers` with N = min(keep_k, H * W) places.
    """
    batch, height, width = tf.unstack(tf.shape(peaks))
    pixels = height * width
    flat = tf.reshape(peaks, [batch, pixels])
    found = tf.math.count_nonzero(flat > 0, axis=1, dtype=tf.int32)
    count = tf.minimum(keep_k, pixels)
    if not keep_k:
        count = tf.maximum(tf.reduce_max(found), 1)
    score, index = tf.math.top_k(flat, count)
    kept = score > 0
    if above_kth and keep_k:
        uncut = (found <= keep_k)[:, tf.newaxis]
        kept &= uncut | (score > score[:, -1:])
    # Back from the order of the scores to raster order, the rest at the end.
    index = tf.sort(tf.where(kept, index, pixels), axis=1)
    valid = index < pixels
    position = tf.stack([index // width, index % width], axis=-1)
    position = tf.cast(position, tf.float32)
    score = tf.gather(flat, tf.minimum(index, pixels - 1), batch_dims=1)
    return Centers(
        tf.where(valid[..., tf.newaxis], position, float("inf")),
        tf.where(valid, score, 0.0),
        valid,
    )
