"""Small cases of the layers of SegNeXt for `check_layer`."""

import tensorflow as tf

from axial_deeplab.backbones.backbone import Backbone, PixelStatistics
from axial_deeplab.decoders.hamburger_decoder import ContextDecoder
from axial_deeplab.decoders.mlp_decoder import MLPDecoder
from axial_deeplab.layers.criss_cross import (
    CrissCrossAttention,
    CrissCrossContext,
)
from axial_deeplab.layers.depthwise import DepthwiseConv
from axial_deeplab.layers.expectation_maximization import (
    ExpectationMaximizationContext,
)
from axial_deeplab.layers.group_norm import (
    ChannelNorm,
    ConvGroupNormAct,
    GroupNorm,
)
from axial_deeplab.layers.hamburger import FactorizationOptions, Hamburger
from axial_deeplab.layers.mscan_block import MSCANBlock
from axial_deeplab.layers.regularization import LayerScale
from axial_deeplab.layers.scale_attention import (
    LARGE_KERNEL,
    ConvFeedForward,
    MultiScaleConvAttention,
    ScaleAttentionUnit,
    ScaleOptions,
)
from axial_deeplab.layers.stems import PatchEmbedding, overlap_stem
from axial_deeplab.models.heads import SemanticHead
from axial_deeplab.models.semantic_segmenter import SemanticSegmenter
from tests.layers.layer_inputs import features, images, pyramid


def _burger() -> Hamburger:
    return Hamburger(FactorizationOptions(rank=3, draw="never"), groups=2)


def _semantic() -> SemanticSegmenter:
    levels = {"3": [MSCANBlock(2)], "5": [PatchEmbedding(6), ChannelNorm()]}
    backbone = Backbone(overlap_stem(4), levels, PixelStatistics())
    decoder = ContextDecoder(4, _burger(), ("3", "5"), groups=2)
    return SemanticSegmenter(backbone, decoder, SemanticHead(5, 0.0))


_HALF, _FULL = tf.bfloat16, tf.float32


def _map() -> tf.Tensor:
    return features(2, 6, 7, 6)


SEGNEXT_CASES = {
    ChannelNorm: lambda: (ChannelNorm(), _map(), _HALF),
    ContextDecoder: lambda: (
        ContextDecoder(4, _burger(), ("2", "5"), groups=2),
        pyramid(),
        _HALF,
    ),
    ConvFeedForward: lambda: (ConvFeedForward(2), _map(), _HALF),
    ConvGroupNormAct: lambda: (ConvGroupNormAct(4, groups=2), _map(), _HALF),
    CrissCrossAttention: lambda: (CrissCrossAttention(2), _map(), _HALF),
    CrissCrossContext: lambda: (CrissCrossContext(2, 2), _map(), _HALF),
    DepthwiseConv: lambda: (DepthwiseConv((3, 5), dilation=2), _map(), _HALF),
    ExpectationMaximizationContext: lambda: (
        ExpectationMaximizationContext(bases=3, groups=2),
        _map(),
        _HALF,
    ),
    GroupNorm: lambda: (GroupNorm(3), _map(), _HALF),
    Hamburger: lambda: (_burger(), _map(), _HALF),
    LayerScale: lambda: (LayerScale(), _map(), _HALF),
    MLPDecoder: lambda: (MLPDecoder(4, ("2", "5")), pyramid(), _HALF),
    MSCANBlock: lambda: (
        MSCANBlock(2, ScaleOptions(strips=(3, 5))),
        _map(),
        _HALF,
    ),
    MultiScaleConvAttention: lambda: (
        MultiScaleConvAttention(LARGE_KERNEL),
        _map(),
        _HALF,
    ),
    PatchEmbedding: lambda: (
        PatchEmbedding(4, activation=True),
        _map(),
        _HALF,
    ),
    ScaleAttentionUnit: lambda: (
        ScaleAttentionUnit(ScaleOptions(strips=(3,))),
        _map(),
        _HALF,
    ),
    SemanticHead: lambda: (SemanticHead(3, 0.0), _map(), _FULL),
    SemanticSegmenter: lambda: (_semantic(), images(17, 20), _FULL),
}
