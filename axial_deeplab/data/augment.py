"""Random scale, colour, crop and flip of an image and its panoptic map.

The order is that of the DeepLab2 recipes: resize, random scale, colour, pad to
the crop where smaller, random crop, flip. All random numbers are stateless:
one seed gives one augmentation.
"""

import dataclasses

import tensorflow as tf

from axial_deeplab.data import image_ops
from axial_deeplab.data.colour_augment import COLOUR_AUGMENTATIONS
from axial_deeplab.data.dataset_specs import DatasetSpec

_MOST_REDRAWS = 10

# Becomes 0 after the models' normalisation x / 127.5 - 1.
IMAGE_PADDING_VALUE = 127.5


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What varies between two views of one training image.

    `scale_range` (smallest, largest) is sampled in steps of `scale_step` from
    the smallest on, or continuously where the step is 0. `flip` mirrors every
    second view left to right. `colour` names one of `COLOUR_AUGMENTATIONS`.
    `largest_class_share` redraws a crop, up to ten times, while one class has
    that share of its labelled pixels or more (SegNeXt's recipes: 0.75).
    """

    scale_range: tuple[float, float] = (1.0, 1.0)
    scale_step: float = 0.1
    flip: bool = True
    colour: str | None = None
    largest_class_share: float | None = None

    def __post_init__(self):
        """Refuses an empty range and unknown names."""
        low, high = self.scale_range
        if not 0 < low <= high or self.scale_step < 0:
            raise ValueError(
                "`scale_range` must be 0 < smallest <= largest and "
                f"`scale_step` >= 0; got {self.scale_range} and "
                f"{self.scale_step}."
            )
        if self.colour not in (None, *COLOUR_AUGMENTATIONS):
            raise ValueError(
                f"`colour` must be one of {', '.join(COLOUR_AUGMENTATIONS)} or "
                f"None; got {self.colour!r}."
            )
        share = self.largest_class_share
        if share is not None and not 0 < share <= 1:
            raise ValueError(
                f"`largest_class_share` must be in 0..1; got {share}."
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


def fitting_size(
    size_px: tf.Tensor, long_side_px: int, short_side_px: int
) -> tf.Tensor:
    """(height, width) in the same aspect, as large as both sides allow.

    The longer side is at most `long_side_px`, the shorter `short_side_px`.
    """
    size = tf.cast(size_px, tf.int64)
    long, short = tf.reduce_max(size), tf.reduce_min(size)
    by_long = long_side_px * short <= short_side_px * long
    above = tf.where(by_long, tf.cast(long_side_px, tf.int64), short_side_px)
    below = tf.where(by_long, long, short)
    return tf.cast(tf.maximum(size * above // below, 1), tf.int32)


def random_colour(
    image: tf.Tensor, augmentation: Augmentation, seed: tf.Tensor
) -> tf.Tensor:
    """The image [H, W, 3] as uint8 in other colours, or as it is."""
    if augmentation.colour is None:
        return image
    image = tf.cast(tf.round(tf.cast(image, tf.float32)), tf.uint8)
    return COLOUR_AUGMENTATIONS[augmentation.colour](image, seed)


def varied_seed(
    panoptic: tf.Tensor,
    crop_size_px: tuple[int, int],
    spec: DatasetSpec,
    augmentation: Augmentation,
    seed: tf.Tensor,
) -> tf.Tensor:
    """A seed for `pad_and_crop` whose crop is not nearly all of one class.

    A crop needs two classes, of which the larger has less than that share of
    the labelled pixels. The tenth redraw is taken as it is.
    """

    def one_sided(candidate: tf.Tensor) -> tf.Tensor:
        crop = crop_of_map(panoptic, crop_size_px, spec.void_id, candidate)
        labelled = tf.boolean_mask(crop, crop != spec.void_id)
        crop = labelled // spec.label_divisor
        largest = tf.reduce_max(tf.math.bincount(crop, minlength=1))
        share = tf.cast(largest, tf.float32) / tf.cast(
            tf.maximum(tf.size(crop), 1), tf.float32
        )
        too_large = share >= augmentation.largest_class_share
        return too_large | (tf.size(crop) == 0)

    candidates = tf.random.experimental.stateless_split(seed, _MOST_REDRAWS + 1)
    index = tf.while_loop(
        lambda index: (index < _MOST_REDRAWS) & one_sided(candidates[index]),
        lambda index: [index + 1],
        [tf.constant(0)],
    )
    return candidates[index[0]]


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
    # Cutting first keeps what is padded small.
    begin, size, corner = _places(tf.shape(panoptic), crop_size_px, seed)
    image = tf.slice(
        image, tf.concat([begin, [0]], 0), tf.concat([size, [3]], 0)
    )
    image = image_ops.pad_to(
        tf.cast(image, tf.float32), corner, crop_size_px, IMAGE_PADDING_VALUE
    )
    panoptic = crop_of_map(panoptic, crop_size_px, void_id, seed)
    return tf.ensure_shape(image, [*crop_size_px, 3]), panoptic


def crop_of_map(
    panoptic: tf.Tensor,
    crop_size_px: tuple[int, int],
    void_id: int,
    seed: tf.Tensor,
) -> tf.Tensor:
    """The map that `pad_and_crop` gives for the same seed."""
    begin, size, corner = _places(tf.shape(panoptic), crop_size_px, seed)
    panoptic = tf.slice(panoptic, begin, size)
    panoptic = image_ops.pad_to(panoptic, corner, crop_size_px, void_id)
    return tf.ensure_shape(panoptic, crop_size_px)


def random_flip(
    image: tf.Tensor, panoptic: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirrors both left to right, or neither."""
    return tf.cond(
        tf.random.stateless_uniform([], seed) < 0.5,
        lambda: (tf.reverse(image, [1]), tf.reverse(panoptic, [1])),
        lambda: (image, panoptic),
    )


def _places(size_px, crop_size_px, seed) -> tuple[tf.Tensor, ...]:
    """Where the part to keep begins, its size, and where it is to lie."""
    pad_seed, crop_seed = split_seed(seed, 2)
    kept = tf.minimum(size_px, crop_size_px)
    begin = _random_corner(size_px - kept, crop_seed)
    return begin, kept, _random_corner(crop_size_px - kept, pad_seed)


def _random_corner(room_px: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Uniform (y, x) in 0..room_px, both ends included."""
    share = tf.random.stateless_uniform([2], seed)
    corner = tf.floor(share * tf.cast(room_px + 1, tf.float32))
    return tf.minimum(tf.cast(corner, tf.int32), room_px)
