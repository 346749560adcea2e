"""Lists the instances of a panoptic prediction, with classes and scores."""

import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.postprocess.settings import PanopticSettings

# Most instances listed where the settings set no limit.
_MOST_LISTED = 1000


def instance_lists(
    maps: dict[str, tf.Tensor],
    semantic_probabilities: tf.Tensor,
    settings: PanopticSettings,
) -> dict[str, tf.Tensor]:
    """The instances of each image, by descending score.

    The score is the mean probability of the instance's class over its pixels
    times the heatmap value of its centre (arXiv:1911.10194, section 4).

    Args:
      maps: what `panoptic_prediction` returned.
      semantic_probabilities: [B, H, W, K] it was given.
      settings: those it was given.

    Returns:
      By their names in `keys`, [B, N] with N = `keep_k_centers` (1000 where
      that is 0): INSTANCE_IDS (int32 panoptic ids), INSTANCE_CLASSES (int32),
      INSTANCE_SCORES (float32). The unused places come last and are -1, -1
      and 0.
    """
    panoptic = maps[keys.PANOPTIC]
    label, is_thing = _thing_pixels(panoptic, semantic_probabilities, settings)
    probability = tf.gather(semantic_probabilities, label, batch_dims=3)
    number = settings.keep_k_centers or tf.reduce_max(maps[keys.INSTANCE])
    batch, groups = tf.shape(panoptic)[0], number + 1
    # Group 0 is that of things without centre, which some rules keep.
    image = tf.reshape(tf.range(batch), [-1, 1, 1])
    group = tf.where(is_thing, maps[keys.INSTANCE] + groups * image, -1)

    def total(values: tf.Tensor) -> tf.Tensor:
        values = tf.math.unsorted_segment_sum(values, group, batch * groups)
        return tf.reshape(values, [batch, groups])

    area = tf.maximum(total(tf.ones_like(probability)), 1)
    score = total(probability) / area
    score *= total(maps[keys.INSTANCE_SCORE]) / area
    ids = tf.math.unsorted_segment_max(panoptic, group, batch * groups)
    ids = tf.maximum(tf.reshape(ids, [batch, groups]), -1)
    return _sorted(ids, score, settings)


def _thing_pixels(
    panoptic: tf.Tensor, probabilities: tf.Tensor, settings: PanopticSettings
) -> tuple[tf.Tensor, tf.Tensor]:
    """Class (0 on void) and whether it is a thing, [B, H, W]."""
    num_classes = probabilities.shape[-1]
    is_void = panoptic == settings.void_id
    label = tf.where(is_void, 0, panoptic // settings.label_divisor)
    is_thing = tf.gather(settings.is_thing(num_classes), label)
    return label, is_thing & ~is_void


def _sorted(
    ids: tf.Tensor, score: tf.Tensor, settings: PanopticSettings
) -> dict[str, tf.Tensor]:
    """The lists from ids (-1: none) and scores, [B, groups]."""
    count = settings.keep_k_centers or _MOST_LISTED
    missing = tf.maximum(count - tf.shape(ids)[1], 0)
    ids = tf.pad(ids, [[0, 0], [0, missing]], constant_values=-1)
    score = tf.pad(score, [[0, 0], [0, missing]])
    _, order = tf.math.top_k(tf.where(ids < 0, -1.0, score), count)
    ids = tf.gather(ids, order, batch_dims=1)
    score = tf.gather(score, order, batch_dims=1)
    return {
        keys.INSTANCE_IDS: ids,
        keys.INSTANCE_CLASSES: tf.where(
            ids < 0, -1, ids // settings.label_divisor
        ),
        keys.INSTANCE_SCORES: tf.where(ids < 0, 0.0, score),
    }
