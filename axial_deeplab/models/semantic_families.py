"""Semantic models and MSCAN: their options, and how a row becomes a model."""

import dataclasses
from collections.abc import Callable

import tf_keras

from axial_deeplab.backbones.axial_vit import AxialViTSpec, Plan
from axial_deeplab.backbones.backbone import Backbone
from axial_deeplab.backbones.mscan import NORM, MSCANSpec
from axial_deeplab.decoders.hamburger_decoder import ContextDecoder
from axial_deeplab.decoders.mlp_decoder import MLPDecoder
from axial_deeplab.layers.criss_cross import CrissCrossContext
from axial_deeplab.layers.expectation_maximization import (
    ExpectationMaximizationContext,
)
from axial_deeplab.layers.hamburger import FactorizationOptions, Hamburger
from axial_deeplab.layers.non_local import NonLocalBlock
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.scale_attention import (
    ScaleAttentionUnit,
    ScaleOptions,
)
from axial_deeplab.models.families import Family, plan_change
from axial_deeplab.models.heads import SemanticHead
from axial_deeplab.models.image_classifier import ImageClassifier
from axial_deeplab.models.semantic_rows import SemanticSpec
from axial_deeplab.models.semantic_segmenter import SemanticSegmenter


@dataclasses.dataclass(frozen=True)
class MSCANOptions:
    """What `create_model` takes for the backbone; None is what the row says.

    `scales` are of MSCANs, `plan` of axial vision transformers.
    """

    drop_path: float | None = None
    scales: ScaleOptions | None = None
    plan: Plan | None = None
    norm: NormOptions | None = None
    recompute: bool = False


@dataclasses.dataclass(frozen=True)
class MSCANClassifierOptions(MSCANOptions):
    """What it takes for a classifier."""

    num_classes: int = 1000


@dataclasses.dataclass(frozen=True)
class SemanticOptions(MSCANOptions):
    """What it takes for a semantic model.

    `decoder` names what stands between squeeze and align, or is "mlp";
    `levels` are those that it reads, None: "3" to "5", for "mlp" from "2" on;
    `draw` says when the Hamburger draws its bases.
    """

    num_classes: int = 150
    decoder: str = "hamburger"
    levels: tuple[str, ...] | None = None
    draw: str = "training"


def _backbone(
    spec: MSCANSpec | AxialViTSpec, options: MSCANOptions
) -> Backbone:
    changes = plan_change(spec, options.plan)
    if options.scales is not None:
        if not isinstance(spec, MSCANSpec):
            raise ValueError(
                "`scales` is an option of MSCANs, which this model has none "
                f"of; got {options.scales}."
            )
        changes["scales"] = options.scales
    return dataclasses.replace(spec, **changes).build(
        drop_path=options.drop_path,
        norm=options.norm,
        recompute=options.recompute,
    )


def _classifier(
    spec: MSCANSpec, options: MSCANClassifierOptions
) -> ImageClassifier:
    return ImageClassifier(_backbone(spec, options), options.num_classes)


def _semantic(
    spec: SemanticSpec, options: SemanticOptions
) -> SemanticSegmenter:
    head = SemanticHead(options.num_classes, name="head")
    backbone = _backbone(spec.backbone, options)
    return SemanticSegmenter(backbone, _decoder(spec, options), head)


def _decoder(
    spec: SemanticSpec, options: SemanticOptions
) -> tf_keras.layers.Layer:
    if options.decoder == _MLP:
        norm, levels = options.norm or NORM, options.levels or _ALL_LEVELS
        return MLPDecoder(_MLP_FILTERS, tuple(levels), norm, name="decoder")
    if options.decoder not in _CONTEXTS:
        raise ValueError(
            f"`decoder` must be {', '.join(_CONTEXTS)} or {_MLP}; got "
            f"{options.decoder!r}."
        )
    return ContextDecoder(
        spec.filters,
        _CONTEXTS[options.decoder](spec, options),
        tuple(options.levels or _UPPER_LEVELS),
        name="decoder",
    )


def _hamburger(
    spec: SemanticSpec, options: SemanticOptions
) -> tf_keras.layers.Layer:
    factorization = FactorizationOptions(spec.rank, draw=options.draw)
    return Hamburger(factorization, name="context")


def _scale_attention(
    spec: SemanticSpec, options: SemanticOptions
) -> tf_keras.layers.Layer:
    del spec
    return ScaleAttentionUnit(options.scales, name="context")


def _non_local(
    spec: SemanticSpec, options: SemanticOptions
) -> tf_keras.layers.Layer:
    del spec
    return NonLocalBlock(norm=options.norm or NORM, name="context")


def _criss_cross(
    spec: SemanticSpec, options: SemanticOptions
) -> tf_keras.layers.Layer:
    del spec, options
    return CrissCrossContext(name="context")


def _clusters(
    spec: SemanticSpec, options: SemanticOptions
) -> tf_keras.layers.Layer:
    del spec, options
    return ExpectationMaximizationContext(name="context")


# arXiv:2209.08575, Tables 7 and 8.
_CONTEXTS: dict[str, Callable[..., tf_keras.layers.Layer]] = {
    "hamburger": _hamburger,
    "scale_attention": _scale_attention,
    "non_local": _non_local,
    "criss_cross": _criss_cross,
    "expectation_maximization": _clusters,
}
_MLP, _MLP_FILTERS = "mlp", 256
_ALL_LEVELS = ("2", "3", "4", "5")
_UPPER_LEVELS = _ALL_LEVELS[1:]

MSCAN_BACKBONES = Family(_backbone, MSCANOptions)
MSCAN_CLASSIFIERS = Family(_classifier, MSCANClassifierOptions)
SEMANTIC_MODELS = Family(_semantic, SemanticOptions)
