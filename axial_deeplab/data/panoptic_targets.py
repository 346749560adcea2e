"""Panoptic-DeepLab training targets (arXiv:1911.10194, section 3.2).

From a panoptic map to what the three heads learn, and how much each pixel
counts. Every step is one pass over the pixels or over the instances: sums per
panoptic id are those of runs of pixels, and the heatmap is one scatter of small
patches.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.data.dataset_specs import DatasetSpec


@dataclasses.dataclass(frozen=True)
class TargetSettings:
    """Label convention of the map, and the shape of the targets.

    `sigma_px` is the width of the Gaussian at a center. The semantic weight of
    pixels of instances with fewer than `small_instance_area_px` pixels is
    `small_instance_weight` (DeepLab2 trains with 4096 and 3; 0 turns it off).
    """

    thing_ids: tuple[int, ...]
    ignore_label: int
    label_divisor: int
    sigma_px: int = 8
    small_instance_area_px: int = 0
    small_instance_weight: float = 1.0

    @classmethod
    def for_dataset(cls, spec: DatasetSpec, **options) -> "TargetSettings":
        """Settings with the label convention of `spec`."""
        return cls(
            spec.thing_ids, spec.ignore_label, spec.label_divisor, **options
        )


@dataclasses.dataclass(frozen=True)
class _Instances:
    """The instances of one map.

    `ids` [H, W] is the panoptic id on instance pixels, else 0. Indexed by
    panoptic id: `area` [S] int32 pixels, `center` [S, 2] int32 (y, x); both 0
    for an id without pixels.
    """

    ids: tf.Tensor
    area: tf.Tensor
    center: tf.Tensor


def panoptic_targets(
    panoptic: tf.Tensor, settings: TargetSettings
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Targets and loss weights of one image.

    The center of an instance is the mean of its pixel coordinates, rounded
    half to even; it may lie outside the instance. Crowd (a thing pixel with
    instance 0) keeps its semantic label and has neither center nor offset.

    Args:
      panoptic: int32 [H, W], class * label_divisor + instance; void is
        ignore_label * label_divisor.
      settings: how to read the map.

    Returns:
      `targets`: semantic_logits int32 [H, W] (the class, ignore_label on
      void), center_heatmap float32 [H, W, 1] in 0..1, center_offset float32
      [H, W, 2], (dy, dx) in pixels from the pixel to its center and 0 outside
      instances. `weights`, same keys, float32 [H, W]: semantic 1 or the
      small-instance weight, void included; center 1 except on void and crowd;
      offset 1 on instances.
    """
    panoptic = tf.cast(panoptic, tf.int32)
    semantic = panoptic // settings.label_divisor
    thing = _is_thing(semantic, settings)
    is_instance = thing & (panoptic != semantic * settings.label_divisor)
    instances = _find_instances(panoptic, is_instance, settings)
    void = semantic == settings.ignore_label
    crowd = thing & ~is_instance
    targets = {
        keys.SEMANTIC_LOGITS: semantic,
        keys.CENTER_HEATMAP: _heatmap(instances, settings.sigma_px)[..., None],
        keys.CENTER_OFFSET: _offsets(instances, is_instance),
    }
    weights = {
        keys.SEMANTIC_LOGITS: _semantic_weight(instances, settings),
        keys.CENTER_HEATMAP: tf.cast(~(void | crowd), tf.float32),
        keys.CENTER_OFFSET: tf.cast(is_instance, tf.float32),
    }
    return targets, weights


def _is_thing(semantic: tf.Tensor, settings: TargetSettings) -> tf.Tensor:
    things = sorted(set(settings.thing_ids) - {settings.ignore_label})
    if things and things[-1] - things[0] + 1 == len(things):
        # Most data sets number their things in a row, and two comparisons
        # take half the time of a look-up.
        return (semantic >= things[0]) & (semantic <= things[-1])
    # 8-bit label files hold no class above 255, be it thing, stuff or void.
    table = np.zeros(max(255, settings.ignore_label, *things) + 1, bool)
    table[things] = True
    return tf.gather(table, semantic)


def _find_instances(panoptic, is_instance, settings) -> _Instances:
    ids = panoptic * tf.cast(is_instance, tf.int32)
    size = (max(settings.thing_ids, default=0) + 1) * settings.label_divisor
    sums = _sums_by_id(ids, size)
    # Id 0 collects all that is no instance.
    area = sums[:, 0] * tf.cast(tf.range(size) > 0, tf.int64)
    mean = tf.math.divide_no_nan(
        tf.cast(sums[:, 1:], tf.float64), tf.cast(area, tf.float64)[:, None]
    )
    center = tf.cast(tf.round(mean), tf.int32)
    return _Instances(ids, tf.cast(area, tf.int32), center)


def _sums_by_id(ids: tf.Tensor, size: int) -> tf.Tensor:
    """Number of pixels and sums of their y and x by id, int64 [size, 3].

    Counts runs of equal ids, of which there are a hundred times fewer than
    pixels. A run may go on in the next row: its sums are the difference of two
    sums that begin with the first pixel of the map.
    """
    shape = tf.shape(ids, tf.int64)
    width, pixels = shape[1], shape[0] * shape[1]
    flat = tf.reshape(ids, [-1])
    changes = tf.where(flat[1:] != flat[:-1])[:, 0] + 1
    starts = tf.concat([[0], changes], axis=0)
    ends = tf.concat([changes, [pixels]], axis=0)

    def sums_before(place: tf.Tensor) -> tf.Tensor:
        y, x = place // width, place % width
        sum_y = width * (y * (y - 1) // 2) + x * y
        sum_x = y * (width * (width - 1) // 2) + x * (x - 1) // 2
        return tf.stack([place, sum_y, sum_x], axis=-1)

    return tf.math.unsorted_segment_sum(
        sums_before(ends) - sums_before(starts), tf.gather(flat, starts), size
    )


def _heatmap(instances: _Instances, sigma_px: int) -> tf.Tensor:
    """Largest of the Gaussians around the centers, [H, W].

    Each is cut to a square of 6 sigma + 3 pixels. The squares are merged on a
    canvas with a margin, so that those at the border need no special case. Its
    rows are divided in blocks as wide as a square, and each row of a square is
    merged as the two blocks that it touches: whole blocks cost little more than
    single pixels.
    """
    radius = 3 * sigma_px + 1
    block = 2 * radius + 1
    shape = tf.shape(instances.ids)
    height, width = shape[0] + 2 * radius, shape[1] + 2 * radius
    blocks = width // block + 2  # a row
    centers = tf.gather(instances.center, tf.where(instances.area > 0)[:, 0])

    def gaussian(distance: tf.Tensor) -> tf.Tensor:
        values = tf.exp(-tf.square(distance) / (2.0 * sigma_px**2))
        return tf.where(tf.abs(distance) <= radius, values, 0.0)

    first, left = centers[:, 1] // block, centers[:, 1] % block
    columns = tf.range(2 * block) - radius - left[:, None]
    across = gaussian(tf.cast(columns, tf.float32))
    down = gaussian(tf.range(-radius, radius + 1, dtype=tf.float32))
    squares = down[None, :, None] * across[:, None, :]
    rows = centers[:, :1] + tf.range(block)
    places = (rows * blocks + first[:, None])[..., None] + tf.range(2)
    canvas = tf.tensor_scatter_nd_max(
        tf.zeros([height * blocks, block]),
        tf.reshape(places, [-1, 1]),
        tf.reshape(squares, [-1, block]),
    )
    canvas = tf.reshape(canvas, [height, blocks * block])
    heatmap = canvas[radius : height - radius, radius : width - radius]
    return tf.ensure_shape(heatmap, instances.ids.shape)


def _offsets(instances: _Instances, is_instance) -> tf.Tensor:
    """(dy, dx) from every pixel to its center, [H, W, 2]; 0 off instances.

    A pair is held as one complex number y + ix: with one element a pixel all
    steps broadcast along whole rows, in half the time of [H, W, 2] arrays.
    """
    shape = tf.shape(is_instance)
    center = tf.cast(instances.center, tf.float32)
    center = tf.bitcast(center, tf.complex64)
    row = tf.cast(tf.range(shape[0], dtype=tf.float32), tf.complex64)
    column = tf.range(shape[1], dtype=tf.float32)
    column = tf.complex(tf.zeros_like(column), column)
    offset = tf.gather(center, instances.ids) - row[:, None] - column[None, :]
    # Choosing between complex numbers would take four times as long.
    bits = tf.bitcast(offset, tf.float64)
    return tf.bitcast(tf.where(is_instance, bits, 0.0), tf.float32)


def _semantic_weight(instances: _Instances, settings) -> tf.Tensor:
    if settings.small_instance_area_px == 0:
        return tf.ones_like(instances.ids, tf.float32)
    area = instances.area
    small = (area > 0) & (area < settings.small_instance_area_px)
    by_id = tf.where(small, settings.small_instance_weight, 1.0)
    return tf.gather(by_id, instances.ids)
