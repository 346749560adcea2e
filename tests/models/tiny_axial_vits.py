"""Axial vision transformers small enough to run in every test."""

from axial_deeplab.backbones.axial_vit import AxialViTSpec
from axial_deeplab.decoders.dual_conv import (
    DualDecoderSpec,
    build_dual_decoder,
)
from axial_deeplab.decoders.hamburger_decoder import ContextDecoder
from axial_deeplab.layers.axial_transformer import TransformerOptions
from axial_deeplab.layers.hamburger import FactorizationOptions, Hamburger
from axial_deeplab.layers.head_ops import HeadOptions
from axial_deeplab.models.heads import SemanticHead, panoptic_heads
from axial_deeplab.models.image_classifier import ImageClassifier
from axial_deeplab.models.panoptic_deeplab import PanopticDeepLab
from axial_deeplab.models.semantic_segmenter import SemanticSegmenter

# A block with windows in the second level, whole rows and columns elsewhere.
TINY = AxialViTSpec(
    (4, 6, 8, 10),
    (1, 2, 1, 1),
    head_depth=2,
    options=TransformerOptions(heads=HeadOptions(max_distance=5)),
    plan={"res3_block0": {"order": "window", "window": 2}},
)


def tiny_classifier(num_classes: int = 5) -> ImageClassifier:
    """Images to logits [B, K]."""
    return ImageClassifier(TINY.build(), num_classes)


def tiny_panoptic(num_classes: int = 5) -> PanopticDeepLab:
    """In Panoptic-DeepLab, output stride 16."""
    decoder = DualDecoderSpec(semantic_filters=8, instance_filters=6)
    return PanopticDeepLab(
        TINY.build(16),
        build_dual_decoder(decoder, 16),
        panoptic_heads(num_classes, 8),
    )


def tiny_semantic(num_classes: int = 5) -> SemanticSegmenter:
    """With SegNeXt's decoder."""
    context = Hamburger(FactorizationOptions(rank=3), groups=2, name="context")
    return SemanticSegmenter(
        TINY.build(),
        ContextDecoder(8, context, groups=2, name="decoder"),
        SemanticHead(num_classes, name="head"),
    )
