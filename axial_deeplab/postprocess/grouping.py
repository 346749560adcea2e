"""Assigns every pixel to the instance centre that its offset points at."""

import tensorflow as tf

from axial_deeplab.postprocess.centers import Centers

# Distances held at a time. 8 MiB stay in the cache of a CPU: at 1024 x 2048
# pixels and 200 centres this is as fast as larger blocks, and no [N, H * W]
# tensor (1.7 GB there) ever exists.
_DISTANCES_PER_BLOCK = 2**21


def nearest_center(centers: Centers, offset: tf.Tensor) -> tf.Tensor:
    """Index of the centre nearest to (pixel + offset), by Euclidean distance.

    Distances are differences squared in float32, so that centres equally far
    away in whole pixels tie exactly; the first in raster order wins. Peak
    memory and graph size depend neither on the number of centres nor on the
    image.

    Args:
      centers: N centres of each image.
      offset: [B, H, W, 2], (dy, dx) in pixels.

    Returns:
      int32 [B, H, W] in 0..N-1; meaningless (0) for an image that has no
      valid centre.
    """
    batch, height, width, _ = tf.unstack(tf.shape(offset))
    target = tf.cast(offset, tf.float32) + _pixel_grid(height, width)
    target = tf.reshape(target, [batch, height * width, 2])
    blocks, blocks_per_image = _split(target, tf.shape(centers.valid)[1])

    def nearest(numbered_block: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        number, block = numbered_block
        position = centers.position_px[number // blocks_per_image]
        distance = tf.math.squared_difference(block[:, :1], position[:, 0])
        distance += tf.math.squared_difference(block[:, 1:], position[:, 1])
        return tf.argmin(distance, axis=-1, output_type=tf.int32)

    numbers = tf.range(tf.shape(blocks)[0])
    index = tf.map_fn(
        nearest,
        (numbers, blocks),
        fn_output_signature=tf.int32,
        parallel_iterations=1,
    )
    index = tf.reshape(index, [batch, -1])[:, : height * width]
    return tf.reshape(index, [batch, height, width])


def _pixel_grid(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Float32 [H, W, 2] of (y, x)."""
    rows, columns = tf.range(height), tf.range(width)
    grid = tf.stack(tf.meshgrid(rows, columns, indexing="ij"), axis=-1)
    return tf.cast(grid, tf.float32)


def _split(
    target: tf.Tensor, num_centers: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts [B, P, 2] into [B * blocks, size, 2], no block over two images."""
    batch, pixels, _ = tf.unstack(tf.shape(target))
    largest = tf.maximum(_DISTANCES_PER_BLOCK // num_centers, 1)
    blocks = -(-pixels // largest)
    size = -(-pixels // blocks)
    padded = tf.pad(target, [[0, 0], [0, blocks * size - pixels], [0, 0]])
    return tf.reshape(padded, [batch * blocks, size, 2]), blocks
