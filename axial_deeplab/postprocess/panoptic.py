"""Panoptic-DeepLab post-processing (arXiv:1911.10194, section 3.3).

Heatmap peaks become centres, offsets assign every thing pixel to its nearest
centre, and a majority vote gives each instance its class. Batched tensor
operations throughout: nothing loops over images or instances in Python, and
the graph does not grow with either. Compiles with XLA for static shapes.
"""

import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.postprocess.centers import (
    Centers,
    find_centers,
    suppress_non_maxima,
)
from axial_deeplab.postprocess.grouping import nearest_center
from axial_deeplab.postprocess.merging import merge
from axial_deeplab.postprocess.settings import PanopticSettings


def panoptic_prediction(
    semantic_probabilities: tf.Tensor,
    center_heatmap: tf.Tensor,
    center_offset: tf.Tensor,
    settings: PanopticSettings,
) -> dict[str, tf.Tensor]:
    """Segments of a batch of images; image by image, they never mix.

    Args:
      semantic_probabilities: [B, H, W, K]; only their order matters.
      center_heatmap: [B, H, W, 1].
      center_offset: [B, H, W, 2], (dy, dx) to the centre in pixels.
      settings: data set, thresholds and rules.

    Returns:
      Maps [B, H, W] by the names in `keys`: PANOPTIC (int32 panoptic ids),
      SEMANTIC (int32 class), INSTANCE (int32: 1 + rank of the pixel's centre
      among the image's centres in raster order; 0 on stuff, and without any
      centre), INSTANCE_CENTER (float32 heatmap after suppression, before the
      cut to the highest), INSTANCE_SCORE (float32 heatmap value of the
      pixel's centre, 0 where INSTANCE is 0).

    Raises:
      ValueError: an input of another rank or number of channels, or thing
        classes the probabilities do not have.
      tf.errors.InvalidArgumentError: maps of different sizes or no pixels.
    """
    probabilities, heatmap, offset = _checked(
        semantic_probabilities, center_heatmap, center_offset
    )
    num_classes = probabilities.shape[-1]
    semantic = tf.argmax(probabilities, -1, output_type=tf.int32)
    peaks = suppress_non_maxima(
        heatmap[..., 0],
        settings.center_threshold,
        settings.nms_kernel_px,
    )
    centers = find_centers(
        peaks, settings.keep_k_centers, settings.rules.centers_above_kth
    )
    is_thing = tf.gather(settings.is_thing(num_classes), semantic)
    instance, score = _instances(centers, offset, is_thing)
    num_instances = tf.shape(centers.score)[1]
    return {
        keys.PANOPTIC: merge(
            semantic, instance, num_instances, num_classes, settings
        ),
        keys.SEMANTIC: semantic,
        keys.INSTANCE: instance,
        keys.INSTANCE_CENTER: peaks,
        keys.INSTANCE_SCORE: score,
    }


def _instances(
    centers: Centers, offset: tf.Tensor, is_thing: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Instance map and score map [B, H, W]."""
    index = nearest_center(centers, offset)
    any_center = tf.reduce_any(centers.valid, axis=1)
    assigned = is_thing & any_center[:, tf.newaxis, tf.newaxis]
    score = tf.gather(centers.score, index, batch_dims=1)
    return tf.where(assigned, index + 1, 0), tf.where(assigned, score, 0.0)


def _checked(
    probabilities: tf.Tensor, heatmap: tf.Tensor, offset: tf.Tensor
) -> list[tf.Tensor]:
    """The three maps as tensors, to be read only once they are found valid."""
    maps = {
        "semantic_probabilities": tf.convert_to_tensor(probabilities),
        "center_heatmap": tf.convert_to_tensor(heatmap),
        "center_offset": tf.convert_to_tensor(offset),
    }
    for (name, tensor), channels in zip(
        maps.items(), (None, 1, 2), strict=True
    ):
        shape = tensor.shape
        known = shape.rank == 4 and shape[-1] is not None
        if not known or channels not in (None, shape[-1]):
            raise ValueError(
                f"`{name}` must be [B, H, W, {channels or 'K'}]; got {shape}."
            )
    sizes = [tf.shape(tensor)[:3] for tensor in maps.values()]
    message = "the maps must have pixels and equal batch, height and width"
    checks = [
        tf.debugging.assert_equal(sizes[0], sizes[1], f"{message}: heatmap"),
        tf.debugging.assert_equal(sizes[0], sizes[2], f"{message}: offset"),
        tf.debugging.assert_positive(sizes[0][1:], message),
    ]
    with tf.control_dependencies([check for check in checks if check]):
        return [tf.identity(tensor) for tensor in maps.values()]
