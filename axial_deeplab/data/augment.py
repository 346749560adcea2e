"""Random scale, crop and flip of an image and its panoptic map.

The order is that of the DeepLab2 recipes: resize, random scale, pad to the
crop where smaller, random crop, flip. All random numbers are stateless: one
seed gives one augmentation.
"""

import dataclasses

import tensorflow as tf

from axial_deeplab.data import image_ops

# Becomes 0 after the models' normalisation x / 127.5 - 1.
IMAGE_PADDING_VALUE = 127.5


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What varies between two views of one training image.

    `scale_range` (smallest, largest) is sampled in steps of `scale_step` from
    the smallest on, or continuously where the step is 0. `flip` mirrors every
    second view left to right.
    """

    scale_range: tuple[float, float] = (1.0, 1.0)
    scale_step: float = 0.1
    flip: bool = True

    def __post_init__(self):
        """Refuses an empty range."""
        low, high = self.scale_range
        if not 0 < low <= high or self.scale_step < 0:
            raise ValueError(
                "`scale_range` must be 0 < smallest <= largest and "
                f"`scale_step` >= 0; got {self.scale_range} and "
                f"{self.scale_step}."
            )

    @property
    def changes_scale(self) -> bool:
        """Whether any scale but 1 can occur."""
        return tuple(self.scale_range) != (1.0, 1.0)


def split_seed(seed: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Independent seeds, each int [2], from one."""
    return tf.unstack(tf.random.experimental.stateless_split(seed, count))


def long_side_size(size_px: tf.Tensor, long_side_px: int) -> tf.Tensor:
    """(height, width) with that longer side in the same aspect, rounded down.

    Whole-number arithmetic: 641 / 640 * 640 would give 640.
    """
    size = tf.cast(size_px, tf.int64)
    size = size * long_side_px // tf.reduce_max(size)
    return tf.cast(tf.maximum(size, 1), tf.int32)


def resize_pair(
    image: tf.Tensor, panoptic: tf.Tensor, size_px: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Resizes image [H, W, 3] (bilinear) and map [H, W] (nearest)."""
    image = image_ops.resize_align_corners(image[None], size_px)[0]
    panoptic = image_ops.resize_align_corners(
        panoptic[None, ..., None], size_px, "nearest"
    )
    return image, panoptic[0, ..., 0]


def random_size(
    size_px: tf.Tensor, augmentation: Augmentation, seed: tf.Tensor
) -> tf.Tensor:
    """(height, width) times a random scale, rounded down; at least 1."""
    low, high = augmentation.scale_range
    if augmentation.scale_step:
        # The slack is for (2.0 - 0.5) / 0.1, which falls short of 15 or not.
        steps = int((high - low) / augmentation.scale_step + 1e-6)
        step = tf.random.stateless_uniform([], seed, 0, steps + 1, tf.int32)
        scale = low + augmentation.scale_step * tf.cast(step, tf.float32)
    else:
        scale = tf.random.stateless_uniform([], seed, low, high)
    # The slack keeps 0.7 * 640 = 447.99998 from losing a pixel.
    size = tf.floor(tf.cast(size_px, tf.float32) * scale + 1e-3)
    return tf.maximum(tf.cast(size, tf.int32), 1)


def pad_and_crop(
    image: tf.Tensor,
    panoptic: tf.Tensor,
    crop_size_px: tuple[int, int],
    void_id: int,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """A random crop of that size; smaller images lie at a random place in it.

    Returns:
      float32 [height, width, 3] and int32 [height, width].
    """
    size = tf.shape(panoptic)
    canvas = tf.maximum(size, crop_size_px)
    pad_seed, crop_seed = split_seed(seed, 2)
    corner = _random_corner(canvas - size, pad_seed)
    image = image_ops.pad_to(
        tf.cast(image, tf.float32), corner, canvas, IMAGE_PADDING_VALUE
    )
    panoptic = image_ops.pad_to(panoptic, corner, canvas, void_id)
    corner = _random_corner(canvas - crop_size_px, crop_seed)
    height, width = crop_size_px
    image = tf.slice(image, [corner[0], corner[1], 0], [height, width, 3])
    return image, tf.slice(panoptic, corner, [height, width])


def random_flip(
    image: tf.Tensor, panoptic: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirrors both left to right, or neither."""
    mirrored = tf.random.stateless_uniform([], seed) < 0.5
    image = tf.where(mirrored, image[:, ::-1], image)
    return image, tf.where(mirrored, panoptic[:, ::-1], panoptic)


def _random_corner(room_px: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Uniform (y, x) in 0..room_px, both ends included."""
    share = tf.random.stateless_uniform([2], seed)
    corner = tf.floor(share * tf.cast(room_px + 1, tf.float32))
    return tf.minimum(tf.cast(corner, tf.int32), room_px)
