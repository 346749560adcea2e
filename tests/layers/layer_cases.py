"""One small case of every public layer and model for `check_layer`."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

import axial_deeplab
from axial_deeplab.backbones.backbone import Backbone
from axial_deeplab.backbones.stacked import FusedSum, StackedBackbone
from axial_deeplab.decoders.aspp import ASPP
from axial_deeplab.decoders.axial_decoder import (
    AxialDecoder,
    AxialDecoderBlock,
)
from axial_deeplab.decoders.dual_conv import DecoderBranch, DualConvDecoder
from axial_deeplab.layers.attention_options import STAND_ALONE
from axial_deeplab.layers.attention_stem import AttentionStem
from axial_deeplab.layers.axial_attention import (
    AxialAttention,
    AxialAttention2D,
)
from axial_deeplab.layers.configurable import Configurable
from axial_deeplab.layers.convolution import ConvNormAct, SeparableConvNormAct
from axial_deeplab.layers.local_attention import LocalAttention2D
from axial_deeplab.layers.mixers import AxialMixer, LocalMixer
from axial_deeplab.layers.non_local import NonLocalBlock
from axial_deeplab.layers.normalization import (
    BatchNorm,
    MomentNorm,
    Moments,
)
from axial_deeplab.layers.regularization import DropPath
from axial_deeplab.layers.residual import BasicBlock, BottleneckBlock
from axial_deeplab.layers.stems import ConvStem
from axial_deeplab.layers.xception_block import XceptionBlock
from axial_deeplab.models.heads import PredictionHead, panoptic_heads
from axial_deeplab.models.image_classifier import ImageClassifier
from axial_deeplab.models.panoptic_deeplab import PanopticDeepLab
from tests.layers.layer_inputs import features, images, pyramid
from tests.layers.mobile_cases import MOBILE_CASES
from tests.layers.segnext_cases import SEGNEXT_CASES
from tests.layers.transformer_cases import TRANSFORMER_CASES


@tf_keras.saving.register_keras_serializable("tests")
class NormalisedByMoments(Configurable, tf_keras.layers.Layer):
    """Gives a `MomentNorm` a map to normalise."""

    def __init__(self, norm: MomentNorm, **kwargs):
        super().__init__(**kwargs)
        self.norm = norm

    def call(self, x, training=False):
        values = tf.cast(x, tf.float32)
        moments = Moments(
            tf.reduce_sum(values, [0, 1, 2]),
            tf.reduce_sum(tf.square(values), [0, 1, 2]),
            tf.cast(tf.size(x) // x.shape[-1], tf.float32),
        )
        factor, offset = self.norm(moments, training=training)
        return tf.cast(values * factor + offset, x.dtype)


def _branch(filters: int) -> DecoderBranch:
    # "3" before "2" is no alphabetical order: it has to survive saving.
    return DecoderBranch({"3": 4, "2": 2}, filters, context=ConvNormAct(5))


def _block() -> BottleneckBlock:
    attention = AxialMixer(heads=2, max_distance=5).build(4, stride=2)
    return BottleneckBlock(attention, 8, 16, stride=2)


def _decoder_block(filters: int, axial: bool = False) -> AxialDecoderBlock:
    spatial = ConvNormAct(3, 3, activation=False)
    if axial:
        spatial = AxialMixer(heads=2, max_distance=9).build(2, 1)
    return AxialDecoderBlock(spatial, 4, filters)


def _backbone() -> Backbone:
    levels = {"2": [ConvNormAct(4)], "3": [ConvNormAct(4, 3, stride=2)]}
    stem = ConvStem([ConvNormAct(4, 3, stride=2)])
    return Backbone(stem, levels | {"5": [_block(), ConvNormAct(6)]})


def _stacked() -> StackedBackbone:
    levels = {
        level: [BasicBlock(filters, stride=2)]
        for level, filters in (("2", 3), ("3", 4), ("5", 6))
    }
    sizes = ((4, 1), (3, 1), (4, 2), (6, 2))
    return StackedBackbone(
        ConvStem([ConvNormAct(3, 3, stride=2)], pooled=False),
        levels,
        [FusedSum(*size) for size in sizes],
        [BasicBlock(filters) for filters, _ in sizes],
    )


def _panoptic() -> PanopticDeepLab:
    decoder = DualConvDecoder(_branch(8), _branch(6))
    return PanopticDeepLab(_backbone(), decoder, panoptic_heads(5, 8))


_MAP = (2, 6, 7, 6)
_HALF, _FULL = tf.bfloat16, tf.float32

# Layer, inputs and output type under the policy "mixed_bfloat16", by class.
LAYER_CASES: dict[type, Callable[[], tuple[Any, Any, tf.DType]]] = {
    ASPP: lambda: (ASPP(8, rates=(1, 2, 3)), features(*_MAP), _HALF),
    AttentionStem: lambda: (
        AttentionStem(8, heads=2, mixtures=2),
        features(2, 9, 14, 3),
        _HALF,
    ),
    AxialAttention: lambda: (
        AxialAttention(8, 4, "height", heads=2, span=5),
        features(*_MAP),
        _HALF,
    ),
    AxialDecoder: lambda: (
        AxialDecoder(
            {"3": _decoder_block(6), "2": _decoder_block(4)},
            _decoder_block(4),
            _decoder_block(2),
        ),
        pyramid(),
        _HALF,
    ),
    AxialDecoderBlock: lambda: (
        _decoder_block(8, axial=True),
        (pyramid()["5"], pyramid()["3"]),
        _HALF,
    ),
    AxialAttention2D: lambda: (
        AxialMixer(heads=2).build(4, stride=2),
        features(*_MAP),
        _HALF,
    ),
    Backbone: lambda: (_backbone(), images(17, 20), _HALF),
    BasicBlock: lambda: (BasicBlock(8, stride=2), features(*_MAP), _HALF),
    BatchNorm: lambda: (BatchNorm(), features(*_MAP), _HALF),
    BottleneckBlock: lambda: (_block(), features(*_MAP), _HALF),
    ConvNormAct: lambda: (
        ConvNormAct(4, 3, stride=2, gamma_initializer="zeros"),
        features(*_MAP),
        _HALF,
    ),
    ConvStem: lambda: (
        ConvStem([ConvNormAct(4, 3, stride=2), ConvNormAct(6, 3)]),
        features(2, 14, 15, 3),
        _HALF,
    ),
    DecoderBranch: lambda: (_branch(8), pyramid(), _HALF),
    DropPath: lambda: (DropPath(0.25), features(*_MAP), _HALF),
    DualConvDecoder: lambda: (
        DualConvDecoder(_branch(8), _branch(6)),
        pyramid(),
        _HALF,
    ),
    ImageClassifier: lambda: (
        ImageClassifier(_backbone(), 7),
        images(17, 20),
        _FULL,
    ),
    LocalAttention2D: lambda: (
        LocalMixer(heads=2, span=3, options=STAND_ALONE).build(8, stride=2),
        features(*_MAP),
        _HALF,
    ),
    MomentNorm: lambda: (
        NormalisedByMoments(MomentNorm((6,))),
        features(*_MAP),
        _HALF,
    ),
    NonLocalBlock: lambda: (NonLocalBlock(4), features(*_MAP), _HALF),
    FusedSum: lambda: (
        FusedSum(4),
        [pyramid()["5"], pyramid()["3"]],
        _HALF,
    ),
    StackedBackbone: lambda: (_stacked(), images(33, 40), _HALF),
    PanopticDeepLab: lambda: (_panoptic(), images(17, 20), _FULL),
    PredictionHead: lambda: (PredictionHead(3, 4), features(*_MAP), _FULL),
    SeparableConvNormAct: lambda: (
        SeparableConvNormAct(4, 3, dilation=2),
        features(*_MAP),
        _HALF,
    ),
    XceptionBlock: lambda: (
        XceptionBlock((4, 4, 8), stride=2),
        features(*_MAP),
        _HALF,
    ),
    **MOBILE_CASES,
    **SEGNEXT_CASES,
    **TRANSFORMER_CASES,
}


def public_classes() -> list[type]:
    """Public Keras layers and models of the package, by name.

    `experiments` holds none and needs Model Garden, which may be missing.
    """
    found = set()
    for module in pkgutil.walk_packages(
        axial_deeplab.__path__, "axial_deeplab."
    ):
        if module.name.startswith("axial_deeplab.experiments"):
            continue
        members = vars(importlib.import_module(module.name)).values()
        found |= {
            member
            for member in members
            if inspect.isclass(member)
            and issubclass(member, tf_keras.layers.Layer)
            and member.__module__.startswith("axial_deeplab")
            and not member.__name__.startswith("_")
        }
    return sorted(found, key=lambda kind: kind.__name__)
