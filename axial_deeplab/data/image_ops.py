"""Resizing whose corner pixels stay where they are.

With align-corners sampling output pixel i of n reads input position
i * (m - 1) / (n - 1) of m, the rule of the DeepLab family: a map of
k * stride + 1 pixels and its strided version then have common corners.
"""

import tensorflow as tf

_BILINEAR, _NEAREST = "bilinear", "nearest"


def resize_align_corners(
    images: tf.Tensor, size_px: tf.Tensor, method: str = _BILINEAR
) -> tf.Tensor:
    """Resizes [B, H, W, C] to [B, height, width, C].

    Args:
      images: any numeric type.
      size_px: (height, width), int32; may be a tensor.
      method: `bilinear` gives float32; `nearest` keeps the type and is the one
        for labels.

    Raises:
      ValueError: unknown method.
    """
    if method == _BILINEAR:
        return tf.raw_ops.ResizeBilinear(
            images=images, size=size_px, align_corners=True
        )
    if method == _NEAREST:
        return tf.raw_ops.ResizeNearestNeighbor(
            images=images, size=size_px, align_corners=True
        )
    raise ValueError(
        f"`method` must be {_BILINEAR!r} or {_NEAREST!r}; got {method!r}."
    )


def pad_to(
    image: tf.Tensor, top_left_px: tf.Tensor, size_px: tf.Tensor, value
) -> tf.Tensor:
    """Pads [H, W, ...] with `value` to [height, width, ...].

    The image starts at `top_left_px` (y, x) of the result.
    """
    shape = tf.shape(image)[:2]
    before = tf.convert_to_tensor(top_left_px, tf.int32)
    after = tf.convert_to_tensor(size_px, tf.int32) - shape - before
    paddings = tf.stack([before, after], axis=1)
    paddings = tf.pad(paddings, [[0, image.shape.rank - 2], [0, 0]])
    return tf.pad(image, paddings, constant_values=value)
