"""The dual convolutional decoder of Panoptic-DeepLab (arXiv:1911.10194)."""

import dataclasses

import tensorflow as tf
import tf_keras

from axial_deeplab.decoders.aspp import ASPP, ASPP_RATES
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


@dataclasses.dataclass(frozen=True)
class DualDecoderSpec:
    """Channels of the two branches after each fusion.

    `as_published` is the form of the public TensorFlow checkpoints: at every
    output stride the levels "3" and "2" are fused; an ASPP has plain 3x3
    convolutions, and where there is none a 1x1 convolution stands for it.
    """

    semantic_filters: int = 256
    instance_filters: int = 128
    as_published: bool = False


_PROJECTED = 256
# Projection channels of the low levels by output stride: (semantic, instance).
_LOW_LEVEL_FILTERS = {
    16: ({"3": 64, "2": 32}, {"3": 32, "2": 16}),
    32: ({"4": 128, "3": 64, "2": 32}, {"4": 64, "3": 32, "2": 16}),
}


def low_level_filters(
    output_stride: int,
) -> tuple[dict[str, int], dict[str, int]]:
    """Projection channels by low level, coarse first: semantic, instance.

    Raises:
      ValueError: the output stride is neither 16 nor 32.
    """
    if output_stride not in _LOW_LEVEL_FILTERS:
        raise ValueError(
            f"`output_stride` must be 16 or 32; got {output_stride}."
        )
    return _LOW_LEVEL_FILTERS[output_stride]


def build_dual_decoder(
    spec: DualDecoderSpec,
    output_stride: int,
    aspp: bool = False,
    norm: NormOptions | None = None,
) -> DualConvDecoder:
    """The decoder of a row, for a backbone of this output stride.

    Raises:
      ValueError: the output stride is neither 16 nor 32.
    """
    semantic, instance = low_level_filters(output_stride)
    if spec.as_published:
        semantic, instance = low_level_filters(16)

    def branch(name: str, low: dict[str, int], filters: int) -> DecoderBranch:
        context = None
        if aspp:
            context = ASPP(
                rates=ASPP_RATES[output_stride],
                separable=not spec.as_published,
                norm=norm,
                name="aspp",
            )
        elif spec.as_published:
            context = ConvNormAct(_PROJECTED, norm=norm, name="aspp")
        return DecoderBranch(low, filters, context, norm, name=name)

    return DualConvDecoder(
        branch("semantic_decoder", semantic, spec.semantic_filters),
        branch("instance_decoder", instance, spec.instance_filters),
        name="decoder",
    )
