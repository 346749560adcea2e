"""The dual convolutional decoder of Panoptic-DeepLab (arXiv:1911.10194)."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.convolution import (
    ConvNormAct,
    SeparableConvNormAct,
    resize_to,
)
from axial_deeplab.layers.normalization import NormOptions


@register
class DecoderBranch(Configurable, tf_keras.layers.Layer):
    """Context on the top level, then one fusion per lower level.

    A fusion projects the lower level with a 1x1 convolution, upsamples the
    higher map to its size, concatenates both and applies a 5x5 separable
    convolution. Output [B, H/4, W/4, filters].

    Args:
      low_level_filters: projection channels by level, from coarse to fine.
      filters: channels after each fusion.
      context: layer on level "5" (an ASPP, a 1x1 convolution); None hands the
        raw map on, which is what arXiv:2003.07853 counts as "no ASPP".
      norm: constants of the batch norms.
    """

    def __init__(
        self,
        low_level_filters: dict[str, int],
        filters: int,
        context: tf_keras.layers.Layer | None = None,
        norm: NormOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.low_level_filters = dict(low_level_filters)
        self.filters, self.context = filters, context
        self.norm = norm or NormOptions()
        self.projections = {
            level: ConvNormAct(count, norm=self.norm, name=f"project_{level}")
            for level, count in self.low_level_filters.items()
        }
        self.fusions = {
            level: SeparableConvNormAct(
                filters, norm=self.norm, name=f"fuse_{level}"
            )
            for level in self.low_level_filters
        }

    def call(
        self, features: dict[str, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """{level: [B, H', W', C]} -> [B, H/4, W/4, filters]."""
        x = features["5"]
        if self.context is not None:
            x = self.context(x, training=training)
        for level, project in self.projections.items():
            low = project(features[level], training=training)
            x = resize_to(x, tf.shape(low)[1:3])
            x = self.fusions[level](
                tf.concat([x, low], axis=-1), training=training
            )
        return x


@register
class DualConvDecoder(Configurable, tf_keras.layers.Layer):
    """A semantic and an instance branch over the same features.

    Args:
      semantic: branch behind the semantic head.
      instance: branch behind the center and offset heads.
    """

    def __init__(
        self, semantic: DecoderBranch, instance: DecoderBranch, **kwargs
    ):
        super().__init__(**kwargs)
        self.semantic, self.instance = semantic, instance

    def call(
        self, features: dict[str, tf.Tensor], training: bool = False
    ) -> dict[str, tf.Tensor]:
        """{level: map} -> {"semantic": map, "instance": map} at stride 4."""
        return {
            "semantic": self.semantic(features, training=training),
            "instance": self.instance(features, training=training),
        }
