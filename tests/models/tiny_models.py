"""Whole models that are small enough to run in every test."""

import numpy as np
import tensorflow as tf
import tf_keras

from axial_deeplab.backbones.backbone import Backbone
from axial_deeplab.backbones.mscan import MSCANSpec
from axial_deeplab.backbones.resnet import ResNetSpec, build_resnet
from axial_deeplab.decoders.dual_conv import (
    DualDecoderSpec,
    build_dual_decoder,
)
from axial_deeplab.decoders.hamburger_decoder import ContextDecoder
from axial_deeplab.layers.hamburger import FactorizationOptions, Hamburger
from axial_deeplab.layers.mixers import AxialMixer, ConvMixer, HybridMixer
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.scale_attention import ScaleOptions
from axial_deeplab.layers.stems import deeplab_stem
from axial_deeplab.models.heads import SemanticHead, panoptic_heads
from axial_deeplab.models.panoptic_deeplab import PanopticDeepLab
from axial_deeplab.models.semantic_segmenter import SemanticSegmenter
from tests.layers.layer_case import randomize

NUM_CLASSES = 5

# Odd, even, tiny and long.
SIZES = [(33, 33), (32, 47), (1, 1), (65, 17)]

# Moving statistics become those of the last training call.
_NORM = NormOptions(momentum=0.0)


def tiny_backbone(output_stride=16, span=None, axial_from=4) -> Backbone:
    """One block per level, of 16, 32, 64 and 128 channels.

    Those whose input has the stride `axial_from`, or a larger one, attend:
    4 is all, 16 the last.
    """
    attention = AxialMixer(heads=2, span=span, max_distance=9)
    spec = ResNetSpec(
        blocks=(1, 1, 1, 1),
        width=1 / 16,
        stem=deeplab_stem,
        mixer=HybridMixer(attention, ConvMixer(), axial_from),
    )
    return build_resnet(spec, output_stride, norm=_NORM)


def tiny_panoptic(
    output_stride=16,
    span=None,
    aspp=False,
    num_classes=NUM_CLASSES,
    axial_from=16,
) -> PanopticDeepLab:
    """An Axial-DeepLab around the tiny backbone.

    One attention is enough where it is not what is tested: the graph of each
    is as large as that of all else.
    """
    decoder = DualDecoderSpec(semantic_filters=8, instance_filters=6)
    return PanopticDeepLab(
        tiny_backbone(output_stride, span, axial_from),
        build_dual_decoder(decoder, output_stride, aspp, _NORM),
        panoptic_heads(num_classes, 8, _NORM),
    )


def tiny_semantic(num_classes=NUM_CLASSES) -> SemanticSegmenter:
    """A SegNeXt of few channels."""
    spec = MSCANSpec(
        channels=(4, 6, 8, 10),
        blocks=(1, 1, 1, 1),
        ratios=(2, 2, 1, 1),
        scales=ScaleOptions(strips=(3, 5)),
    )
    context = Hamburger(FactorizationOptions(rank=3), groups=2)
    return SemanticSegmenter(
        spec.build(norm=_NORM),
        ContextDecoder(8, context, groups=2),
        SemanticHead(num_classes),
    )


def images(height, width, seed=3) -> tf.Tensor:
    """Two seeded images, uint8."""
    rng = np.random.default_rng(seed)
    return tf.constant(rng.integers(0, 256, (2, height, width, 3)), tf.uint8)


def settle(model: tf_keras.Model) -> tf_keras.Model:
    """Random weights, and the moving statistics that belong to them.

    With statistics that do not belong, activations grow from layer to layer
    until the softmax of the attention turns rounding into visible differences;
    with logits as large as `randomize` makes them, a last bit of the input
    changed the output by 2e-4 of it.
    """
    model(images(8, 8))
    randomize(model)
    for weight in model.weights:
        if "similarity_norm/gamma" in weight.name:
            weight.assign(0.1 * weight)
        if "non_local" in weight.name and "qkv_kernel" in weight.name:
            weight.assign(0.3 * weight)
    model(images(40, 41), training=True)
    return model


def assert_near(actual, expected, name="", relative=1e-4) -> None:
    """Equal within a share of the largest value.

    Norms and sharp softmaxes amplify rounding from block to block; a mistake
    changes more than a hundredth.
    """
    limit = relative * np.max(np.abs(expected))
    np.testing.assert_allclose(
        actual, expected, rtol=0.0, atol=limit, err_msg=name
    )
