"""The all-MLP decoder (arXiv:2105.15203), which SegNeXt compares with."""

import tensorflow as tf
import tf_keras

from axial_deeplab.decoders.hamburger_decoder import concat_levels
from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.layers.normalization import NormOptions


@register
class MLPDecoder(Configurable, tf_keras.layers.Layer):
    """Levels brought to one width, resized, and mixed pixel by pixel.

    Decoder (a) of arXiv:2209.08575, Table 7. Input {level: [B, H', W', C']},
    output [B, H, W, filters] at the size of the first level.

    Args:
      filters: channels of each level, and of the output.
      levels: names, the largest map first.
      norm: constants of the batch norms.
    """

    def __init__(
        self,
        filters: int = 256,
        levels: tuple[str, ...] = ("2", "3", "4", "5"),
        norm: NormOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.levels = filters, tuple(levels)
        self.norm = norm or NormOptions()
        self.projections = [
            ConvNormAct(filters, norm=self.norm, name=f"project_{level}")
            for level in self.levels
        ]
        self.mix = ConvNormAct(filters, norm=self.norm, name="mix")

    def call(
        self, features: dict[str, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """{level: [B, H', W', C']} -> [B, H, W, filters]."""
        maps = [
            project(features[level], training=training)
            for level, project in zip(
                self.levels, self.projections, strict=True
            )
        ]
        return self.mix(concat_levels(maps), training=training)
