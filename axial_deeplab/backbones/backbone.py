"""The one frame of all stage-wise backbones: a stem and levels of blocks."""

import dataclasses

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.chunks import sizes_of
from axial_deeplab.layers.configurable import (
    Options,
    register,
    without_autograph,
)
from axial_deeplab.layers.image_model import ImageModel
from axial_deeplab.layers.non_local import NonLocalBlock
from axial_deeplab.layers.normalization import NormOptions

Levels = dict[str, list[tf_keras.layers.Layer]]


@register
@dataclasses.dataclass(frozen=True)
class PixelStatistics(Options):
    """Mean and deviation, by channel, of what a backbone was trained with."""

    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    deviation: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def __post_init__(self):
        for name in ("mean", "deviation"):
            object.__setattr__(self, name, tuple(getattr(self, name)))


@register
class Backbone(ImageModel, tf_keras.Model):
    """Images to {level: feature}.

    Input [B, H, W, 3], values 0..255, uint8 or float, any height and width.
    Output: a dictionary with one feature map per level; level "2" has stride
    4, "3" stride 8, "4" 16 and "5" 32, each at most the output stride the
    blocks were planned with; there is a level "1", of stride 2, where blocks
    are the stem. All maps are what the last layer of their level returns: they
    come after a ReLU, but for non-local and Xception blocks, which end in sums,
    and MSCAN, which ends its levels in norms.

    Args:
      stem: layer from normalised images to features; None: the first block
        takes the images.
      levels: blocks by level, called in order.
      pixels: statistics that images are normalised with; None: 0..255 becomes
        -1..1.
    """

    def __init__(
        self,
        stem: tf_keras.layers.Layer | None,
        levels: Levels,
        pixels: PixelStatistics | None = None,
        **kwargs,
    ):
        # Images keep their type until `normalize_images` has seen them.
        super().__init__(autocast=False, **kwargs)
        self.stem, self.pixels = stem, pixels
        self.levels = {name: list(blocks) for name, blocks in levels.items()}

    @without_autograph
    def call(
        self, images: tf.Tensor, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """[B, H, W, 3] -> {level: [B, H', W', C]}."""
        x = normalize_images(images, self.compute_dtype, self.pixels)
        if self.stem is not None:
            x = self.stem(x, training=training)
        endpoints = {}
        for level, blocks in self.levels.items():
            for block in blocks:
                x = block(x, training=training)
            endpoints[level] = x
        return endpoints


def insert_non_local(
    levels: Levels, after: tuple[str, ...], norm: NormOptions | None = None
) -> Levels:
    """Levels with a non-local block behind each block that is named.

    Raises:
      ValueError: there is no block of such a name.
    """
    names = [block.name for blocks in levels.values() for block in blocks]
    unknown = sorted(set(after) - set(names))
    if unknown:
        raise ValueError(
            "`non_local` must hold names of blocks, from "
            f"{names[0]!r} to {names[-1]!r}; got {', '.join(unknown)}."
        )

    def followed(block: tf_keras.layers.Layer) -> list[tf_keras.layers.Layer]:
        if block.name not in after:
            return [block]
        return [block, NonLocalBlock(norm=norm, name=f"{block.name}_non_local")]

    return {
        level: [layer for block in blocks for layer in followed(block)]
        for level, blocks in levels.items()
    }


def normalize_images(
    images: tf.Tensor, dtype: str, pixels: PixelStatistics | None = None
) -> tf.Tensor:
    """[B, H, W, 3] of 0..255 to -1..1, or of unit variance, in `dtype`.

    Raises:
      ValueError: if rank, channels or a static side do not fit.
    """
    shape = images.shape
    if shape.rank != 4 or shape[3] != 3 or 0 in shape[1:3]:
        raise ValueError(
            "Images must be [batch, height, width, 3] with at least one pixel "
            f"and values 0..255; got shape {shape}."
        )
    images = tf.cast(images, tf.float32)
    if pixels is None:
        return tf.cast(images / 127.5 - 1.0, dtype)
    return tf.cast(_standardized(images, pixels), dtype)


def _standardized(images: tf.Tensor, pixels: PixelStatistics) -> tf.Tensor:
    """(images - mean) / deviation, row by row.

    On CPUs, numbers for 3 channels alone are spread slowly, and so over a row.
    """
    batch, height, width, channels = sizes_of(images)
    mean, deviation = (
        tf.tile(values, [width]) for values in (pixels.mean, pixels.deviation)
    )
    rows = tf.reshape(images, [batch, height, width * channels])
    rows = (rows - mean) / deviation
    return tf.reshape(rows, [batch, height, width, channels])
