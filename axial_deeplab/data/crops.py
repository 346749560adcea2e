"""The part of an image that a classifier sees, decoded and resized.

A window is (top, left, height, width) in pixels, int32 [4].
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

_ATTEMPTS = 10


@dataclasses.dataclass(frozen=True)
class RandomCrop:
    """What varies between two training views of one image.

    `area_range` is the share of the image inside the window, `aspect_range`
    its width over its height; `flip` mirrors every second view left to right.
    """

    area_range: tuple[float, float] = (0.08, 1.0)
    aspect_range: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = True

    def __post_init__(self):
        """Refuses ranges that are empty or leave the image."""
        for name, largest in (("area_range", 1.0), ("aspect_range", 100.0)):
            low, high = getattr(self, name)
            if not 0 < low <= high <= largest:
                raise ValueError(
                    f"`{name}` must be 0 < smallest <= largest <= {largest:g}; "
                    f"got {getattr(self, name)}."
                )


def random_window(
    size_px: tf.Tensor, crop: RandomCrop, seed: tf.Tensor
) -> tf.Tensor:
    """A window as TensorFlow's Inception crop draws it (arXiv:1409.4842).

    Where none fits within some attempts, it is the whole image.
    """
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.concat([size_px, [3]], axis=0),
        bounding_boxes=tf.zeros([0, 0, 4]),
        seed=seed,
        min_object_covered=0.0,
        aspect_ratio_range=crop.aspect_range,
        area_range=crop.area_range,
        max_attempts=_ATTEMPTS,
        use_image_if_no_bounding_boxes=True,
    )
    return tf.concat([begin[:2], size[:2]], axis=0)


def central_window(
    size_px: tf.Tensor, crop_px: int, resize_px: int
) -> tf.Tensor:
    """The square that is central after a resize.

    Resizing it to `crop_px` gives what resizing the shorter side to
    `resize_px` and taking the central `crop_px` gives, up to rounding.
    """
    side = tf.reduce_min(size_px) * crop_px // resize_px
    side = tf.maximum(side, 1)
    return tf.concat([(size_px - side) // 2, [side, side]], axis=0)


def decode_window(
    encoded: tf.Tensor, window_of: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """Decodes the window of an image file, of a JPEG nothing else.

    Args:
      encoded: the file, JPEG, PNG, BMP or (its first frame) GIF.
      window_of: the window for a size (height, width).

    Returns:
      uint8 [height, width, 3].
    """

    def jpeg() -> tf.Tensor:
        size = tf.image.extract_jpeg_shape(encoded)[:2]
        return tf.image.decode_and_crop_jpeg(
            encoded, window_of(size), channels=3
        )

    def other() -> tf.Tensor:
        image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        window = window_of(tf.shape(image)[:2])
        begin = tf.concat([window[:2], [0]], axis=0)
        return tf.slice(image, begin, tf.concat([window[2:], [3]], axis=0))

    crop = tf.cond(tf.io.is_jpeg(encoded), jpeg, other)
    return tf.ensure_shape(crop, [None, None, 3])


def resize_square(image: tf.Tensor, size_px: int) -> tf.Tensor:
    """Resizes [H, W, 3] to float32 [size_px, size_px, 3], bilinear.

    Pixel centers correspond (no aligned corners, no antialiasing), as in
    TensorFlow's ImageNet pipelines.
    """
    return tf.image.resize(image, [size_px, size_px])


def random_mirror(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """The image, every second time mirrored left to right."""
    mirrored = tf.random.stateless_uniform([], seed) < 0.5
    return tf.where(mirrored, image[:, ::-1], image)
