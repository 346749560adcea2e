"""Whole models that are small enough to run in every test."""

from axial_deeplab.backbones.axial_resnet import ResNetSpec, build_resnet
from axial_deeplab.backbones.backbone import Backbone
from axial_deeplab.decoders.dual_conv import (
    DualDecoderSpec,
    build_dual_decoder,
)
from axial_deeplab.layers.mixers import AxialMixer
from axial_deeplab.layers.stems import deeplab_stem
from axial_deeplab.models.panoptic_deeplab import PanopticDeepLab
from axial_deeplab.models.presets import panoptic_heads

NUM_CLASSES = 5


def tiny_backbone(output_stride=16, span=None, max_distance=9) -> Backbone:
    """One block per level, of 16, 32, 64 and 128 channels."""
    spec = ResNetSpec(
        blocks=(1, 1, 1, 1),
        width=1 / 16,
        stem=deeplab_stem,
        mixer=AxialMixer(heads=2, span=span, max_distance=max_distance),
    )
    return build_resnet(spec, output_stride)


def tiny_panoptic(output_stride=16, aspp=False, **options) -> PanopticDeepLab:
    """An Axial-DeepLab around the tiny backbone."""
    return PanopticDeepLab(
        tiny_backbone(output_stride, **options),
        build_dual_decoder(DualDecoderSpec(8, 6), output_stride, aspp),
        panoptic_heads(NUM_CLASSES, semantic_filters=8),
    )
