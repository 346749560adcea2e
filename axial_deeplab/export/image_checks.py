"""Refuses, with words, what is no image; in a graph, before the model runs."""

import tensorflow as tf

_CHANNELS = 3


def checked_images(
    images: tf.Tensor, max_pixels: int, min_pixels: int = 2
) -> tf.Tensor:
    """The images [B, H, W, 3], to be read only once they are found usable.

    Raises:
      tf.errors.InvalidArgumentError: other channels, or fewer or more pixels.
    """
    shape = tf.shape(images)
    pixels = tf.reduce_prod(tf.cast(shape[1:3], tf.int64))
    checks = [
        tf.debugging.Assert(
            shape[3] == _CHANNELS,
            ["Images must have 3 channels; [batch, H, W, C] is", shape],
        ),
        tf.debugging.Assert(
            pixels >= min_pixels,
            [
                f"Images need {min_pixels} pixels or more; [batch, H, W, C] is",
                shape,
            ],
        ),
        tf.debugging.Assert(
            pixels <= max_pixels,
            [
                f"Images may have {max_pixels} pixels; [batch, H, W, C] is",
                shape,
            ],
        ),
    ]
    with tf.control_dependencies(checks):
        images = tf.identity(images)
    images.set_shape([*images.shape[:3], _CHANNELS])
    return images


def checked_contents(image_bytes: tf.Tensor) -> tf.Tensor:
    """The contents [B] of image files, at least one.

    Raises:
      tf.errors.InvalidArgumentError: there is none.
    """
    check = tf.debugging.Assert(
        tf.size(image_bytes) > 0,
        ["There must be one image or more; [batch] is", tf.shape(image_bytes)],
    )
    with tf.control_dependencies([check]):
        return tf.identity(image_bytes)


def checked_floats(
    images: tf.Tensor, max_pixels: int, min_pixels: int = 2
) -> tf.Tensor:
    """`checked_images` that are finite, too."""
    images = checked_images(images, max_pixels, min_pixels)
    check = tf.debugging.Assert(
        tf.reduce_all(tf.math.is_finite(images)),
        ["Images must hold numbers in 0..255; there is a NaN or infinity in"]
        + [tf.shape(images)],
    )
    with tf.control_dependencies([check]):
        return tf.identity(images)
