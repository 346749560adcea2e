"""Merges instances and semantic classes into one panoptic map.

Panoptic-DeepLab (arXiv:1911.10194), section 3.3: an instance takes the class
of the majority of its pixels; stuff keeps its semantic class if large enough.
"""

import tensorflow as tf

from axial_deeplab.postprocess.settings import PanopticSettings


def merge(
    semantic: tf.Tensor,
    instance: tf.Tensor,
    num_instances: int | tf.Tensor,
    num_classes: int,
    settings: PanopticSettings,
) -> tf.Tensor:
    """Panoptic ids from a class map and a class-agnostic instance map.

    The class of an instance is the one most frequent among its pixels, the
    smallest on a tie. Instances are numbered 1, 2, .. per image and class in
    the raster order of their first pixels; those beyond the `label_divisor -
    1` that a class has ids for become void, as their ids would read as
    another class. So do small stuff and, unless the rules say otherwise,
    thing pixels without instance.

    Args:
      semantic: int32 [B, H, W], 0..num_classes-1.
      instance: int32 [B, H, W], 0 (none)..num_instances; read on the pixels
        of thing classes only.
      num_instances: N, the largest instance that may occur.
      num_classes: K.
      settings: thing classes, ids, stuff limit and rules.

    Returns:
      int32 [B, H, W].
    """
    is_thing = tf.gather(settings.is_thing(num_classes), semantic)
    # Instances are groups 0..N of an image; its stuff pixels are group N + 1.
    group = tf.where(is_thing, instance, num_instances + 1)
    area = class_areas(semantic, group, num_instances + 2, num_classes)
    first = first_pixels(group, num_instances + 2)
    things = _thing_ids(area[:, :-1], first[:, :-1], settings)
    stuff = _stuff_ids(area[:, -1], settings)
    return tf.where(
        is_thing,
        _look_up(things, tf.where(is_thing, instance, 0)),
        _look_up(stuff, semantic),
    )


def class_areas(
    semantic: tf.Tensor,
    group: tf.Tensor,
    num_groups: int | tf.Tensor,
    num_classes: int,
) -> tf.Tensor:
    """Pixels of every (image, group, class): int32 [B, G, K].

    `semantic` and `group` are int32 [B, H, W].
    """
    batch = tf.shape(group)[0]
    cell = _of_image(group, num_groups) * num_classes + semantic
    cells = batch * num_groups * num_classes
    area = tf.math.unsorted_segment_sum(tf.ones_like(cell), cell, cells)
    return tf.reshape(area, [batch, num_groups, num_classes])


def first_pixels(group: tf.Tensor, num_groups: int | tf.Tensor) -> tf.Tensor:
    """Raster index of each group's first pixel: int32 [B, G].

    `group` is int32 [B, H, W]; a group without pixels gets the largest int32.
    """
    batch, height, width = tf.unstack(tf.shape(group))
    raster = tf.reshape(tf.range(height * width), [1, height, width])
    raster = tf.broadcast_to(raster, [batch, height, width])
    first = tf.math.unsorted_segment_min(
        raster, _of_image(group, num_groups), batch * num_groups
    )
    return tf.reshape(first, [batch, num_groups])


def number_per_class(
    class_id: tf.Tensor, first: tf.Tensor, num_classes: int
) -> tf.Tensor:
    """Numbers 1, 2, .. of the groups of each class, by ascending `first`.

    Args:
      class_id: int32 [B, G]; -1 is not numbered.
      first: int32 [B, G], see `first_pixels`.
      num_classes: K.

    Returns:
      int32 [B, G], 0 where `class_id` is -1.
    """
    order = tf.argsort(first, axis=1, stable=True)
    sorted_class = tf.gather(class_id, order, batch_dims=1)
    member = tf.one_hot(sorted_class, num_classes, dtype=tf.int32)
    number = tf.reduce_sum(tf.cumsum(member, axis=1) * member, axis=-1)
    return tf.gather(number, tf.argsort(order, axis=1), batch_dims=1)


def _thing_ids(
    area: tf.Tensor, first: tf.Tensor, settings: PanopticSettings
) -> tf.Tensor:
    """Panoptic ids [B, N + 1] of the instances with areas [B, N + 1, K]."""
    counted = tf.reduce_any(area > 0, axis=-1)
    if not settings.rules.group_loose_things:
        counted &= tf.range(tf.shape(area)[1]) > 0
    majority = tf.argmax(area, axis=-1, output_type=tf.int32)
    number = number_per_class(
        tf.where(counted, majority, -1), first, area.shape[-1]
    )
    return tf.where(
        counted & (number < settings.label_divisor),
        majority * settings.label_divisor + number,
        settings.void_id,
    )


def _stuff_ids(area: tf.Tensor, settings: PanopticSettings) -> tf.Tensor:
    """Panoptic ids [B, K] of the stuff classes with areas [B, K]."""
    smallest = settings.stuff_area_limit_px + settings.rules.stuff_above_limit
    class_id = tf.range(tf.shape(area)[1])
    return tf.where(
        area >= smallest, class_id * settings.label_divisor, settings.void_id
    )


def _of_image(group: tf.Tensor, num_groups: int | tf.Tensor) -> tf.Tensor:
    """Makes the groups of different images differ: [B, H, W]."""
    image = tf.range(tf.shape(group)[0])
    return group + num_groups * tf.reshape(image, [-1, 1, 1])


def _look_up(table: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """table[b, index[b, h, w]]: [B, N], [B, H, W] -> [B, H, W]."""
    return tf.gather(table, index, batch_dims=1)
