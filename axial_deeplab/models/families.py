"""Families of models: their options, and how a row becomes a model."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import tf_keras

from axial_deeplab.backbones.axial_vit import AxialViTSpec, Plan
from axial_deeplab.decoders.axial_decoder import build_axial_decoder
from axial_deeplab.decoders.dual_conv import build_dual_decoder
from axial_deeplab.layers.mixers import AxialMixer, HybridMixer, LocalMixer
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.models.heads import panoptic_heads
from axial_deeplab.models.image_classifier import ImageClassifier
from axial_deeplab.models.panoptic_deeplab import PanopticDeepLab
from axial_deeplab.models.panoptic_rows import BackboneSpec, PanopticSpec


@dataclasses.dataclass(frozen=True)
class BackboneOptions:
    """What `create_model` takes for a backbone.

    None is what the row says. `span` is for models with attention, along an
    axis or in windows of span x span; `non_local` names blocks, such as
    "res4_block2", behind which a non-local block stands; `plan` says what
    single blocks of an axial vision transformer do otherwise, by their names.
    """

    output_stride: int = 32
    span: int | None = None
    width: float | None = None
    non_local: tuple[str, ...] = ()
    plan: Plan | None = None
    drop_path: float = 0.0
    norm: NormOptions | None = None
    recompute: bool = False


@dataclasses.dataclass(frozen=True)
class StackedOptions(BackboneOptions):
    """What it takes for a stacked backbone."""

    output_stride: int = 16


@dataclasses.dataclass(frozen=True)
class ClassifierOptions(BackboneOptions):
    """What it takes for a classifier."""

    num_classes: int = 1000


@dataclasses.dataclass(frozen=True)
class PanopticOptions(BackboneOptions):
    """What it takes for a panoptic model; `decoder` is "conv" or "axial"."""

    output_stride: int = 16
    num_classes: int = 134
    aspp: bool | None = None
    decoder: str = "conv"


class Family(NamedTuple):
    """How the rows of a table become models."""

    build: Callable[[Any, Any], tf_keras.Model]
    options: type


def _backbone(spec: BackboneSpec, options: BackboneOptions) -> tf_keras.Model:
    if not _attention_mixer(spec):
        _refuse_span(options)
    return _build_backbone(spec, options)


def _classifier(
    spec: BackboneSpec, options: ClassifierOptions
) -> ImageClassifier:
    return ImageClassifier(_backbone(spec, options), options.num_classes)


def _panoptic(spec: PanopticSpec, options: PanopticOptions) -> PanopticDeepLab:
    if options.decoder not in _DECODERS:
        raise ValueError(
            f"`decoder` must be {' or '.join(_DECODERS)}; got "
            f"{options.decoder!r}."
        )
    if not _attention_mixer(spec.backbone) and options.decoder != "axial":
        _refuse_span(options)
    options = dataclasses.replace(options, norm=options.norm or spec.norm)
    decoder = _DECODERS[options.decoder](spec, options)
    heads = panoptic_heads(
        options.num_classes, spec.decoder.semantic_filters, options.norm
    )
    backbone = _build_backbone(spec.backbone, options)
    return PanopticDeepLab(backbone, decoder, heads)


def _build_backbone(
    spec: BackboneSpec, options: BackboneOptions
) -> tf_keras.Model:
    """The backbone of a row, as the options change it."""
    changes = plan_change(spec, options.plan)
    if options.width is not None:
        changes["width"] = options.width
    if options.non_local:
        changes["non_local"] = tuple(options.non_local)
    if (mixer := _attention_mixer(spec)) and options.span is not None:
        spanned = dataclasses.replace(mixer, span=options.span)
        if isinstance(spec.mixer, HybridMixer):
            spanned = dataclasses.replace(spec.mixer, axial=spanned)
        changes["mixer"] = spanned
    return dataclasses.replace(spec, **changes).build(
        options.output_stride,
        options.drop_path,
        options.norm,
        options.recompute,
    )


def plan_change(spec: Any, plan: Plan | None) -> dict[str, Any]:
    """What a plan changes in a row.

    Raises:
      ValueError: the row is none of an axial vision transformer.
    """
    if plan is None:
        return {}
    if not isinstance(spec, AxialViTSpec):
        raise ValueError(
            "`plan` is an option of axial vision transformers, which this "
            f"model has none of; got {plan}."
        )
    return {"plan": {**spec.plan, **plan}}


def _attention_mixer(spec: BackboneSpec) -> AxialMixer | LocalMixer | None:
    mixer = getattr(spec, "mixer", None)
    if isinstance(mixer, HybridMixer):
        return mixer.axial
    return mixer if isinstance(mixer, AxialMixer | LocalMixer) else None


def _refuse_span(options: BackboneOptions) -> None:
    if options.span is not None:
        raise ValueError(
            "`span` is an option of axial attention and of attention in "
            f"windows, which this model has none of; got {options.span}."
        )


def _conv_decoder(
    spec: PanopticSpec, options: PanopticOptions
) -> tf_keras.layers.Layer:
    aspp = spec.aspp if options.aspp is None else options.aspp
    return build_dual_decoder(
        spec.decoder, options.output_stride, aspp, options.norm
    )


def _axial_decoder(
    spec: PanopticSpec, options: PanopticOptions
) -> tf_keras.layers.Layer:
    """With the attention of the backbone, where that has some."""
    if options.aspp:
        raise ValueError("The axial decoder has no ASPP; got aspp=True.")
    mixer = _attention_mixer(spec.backbone)
    if not isinstance(mixer, AxialMixer):
        mixer = AxialMixer()
    if options.span is not None:
        mixer = dataclasses.replace(mixer, span=options.span)
    return build_axial_decoder(
        spec.decoder, options.output_stride, mixer, options.norm
    )


_DECODERS = {"conv": _conv_decoder, "axial": _axial_decoder}


BACKBONES = Family(_backbone, BackboneOptions)
STACKED_BACKBONES = Family(_backbone, StackedOptions)
CLASSIFIERS = Family(_classifier, ClassifierOptions)
PANOPTIC_MODELS = Family(_panoptic, PanopticOptions)
