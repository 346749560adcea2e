"""Models by name: the tables of the families and how a row becomes a model."""

import dataclasses
import difflib
import fnmatch
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import tf_keras

from axial_deeplab import keys
from axial_deeplab.backbones.axial_resnet import (
    AXIAL_RESNETS,
    ResNetSpec,
    build_resnet,
)
from axial_deeplab.decoders.dual_conv import (
    DualDecoderSpec,
    build_dual_decoder,
)
from axial_deeplab.layers.mixers import AxialMixer
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.stems import deeplab_stem
from axial_deeplab.models.heads import PredictionHead
from axial_deeplab.models.image_classifier import ImageClassifier
from axial_deeplab.models.panoptic_deeplab import PanopticDeepLab


@dataclasses.dataclass(frozen=True)
class PanopticSpec:
    """A row: backbone and decoder of a panoptic model."""

    backbone: ResNetSpec
    decoder: DualDecoderSpec = DualDecoderSpec()


def _deeplab_backbone(width: float, **changes: Any) -> ResNetSpec:
    return ResNetSpec(width=width, stem=deeplab_stem, **changes)


# arXiv:2003.07853, Table 6. `xs` is ours: small enough for a CPU.
AXIAL_DEEPLABS = {
    "axial_deeplab_xs": PanopticSpec(
        _deeplab_backbone(
            0.25,
            blocks=(1, 1, 2, 1),
            stem_width=0.5,
            mixer=AxialMixer(heads=4),
        ),
        DualDecoderSpec(semantic_filters=128, instance_filters=64),
    ),
    "axial_deeplab_s": PanopticSpec(_deeplab_backbone(0.5)),
    "axial_deeplab_m": PanopticSpec(_deeplab_backbone(0.75)),
    "axial_deeplab_l": PanopticSpec(_deeplab_backbone(1.0)),
    "axial_deeplab_xl": PanopticSpec(_deeplab_backbone(2.0)),
}


@dataclasses.dataclass(frozen=True)
class BackboneOptions:
    """What `create_model` takes for a backbone."""

    output_stride: int = 32
    span: int | None = None
    width: float | None = None
    drop_path: float = 0.0
    norm: NormOptions | None = None
    recompute: bool = False


@dataclasses.dataclass(frozen=True)
class ClassifierOptions(BackboneOptions):
    """What it takes for a classifier."""

    num_classes: int = 1000


@dataclasses.dataclass(frozen=True)
class PanopticOptions(BackboneOptions):
    """What it takes for a panoptic model."""

    output_stride: int = 16
    num_classes: int = 134
    aspp: bool = False


class Family(NamedTuple):
    """How the rows of a table become models."""

    build: Callable[[Any, Any], tf_keras.Model]
    options: type


def list_models(pattern: str = "*") -> list[str]:
    """Names that `create_model` knows and that match a glob, sorted."""
    return sorted(fnmatch.filter(_rows(), pattern))


def create_model(name: str, **options: Any) -> tf_keras.Model:
    """Builds a model by name, with weights at their initial values.

    Args:
      name: one of `list_models()`.
      **options: what the family takes, for example `num_classes`,
        `output_stride`, `span`, `width`, `aspp`, `drop_path`, `recompute`.

    Raises:
      ValueError: if the name or an option is unknown; the message lists the
        nearest names or the options that exist.
    """
    rows = _rows()
    if name not in rows:
        near = difflib.get_close_matches(name, rows, n=3, cutoff=0.4)
        raise ValueError(
            f"Unknown model {name!r}; nearest: {', '.join(near) or 'none'}. "
            "list_models() names all."
        )
    family, spec = rows[name]
    known = [field.name for field in dataclasses.fields(family.options)]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"Unknown option {', '.join(unknown)} of model {name!r}; it takes "
            f"{', '.join(known)}."
        )
    model = family.build(spec, family.options(**options))
    model.build((None, None, None, 3))
    return model


def _axial_backbone(
    spec: ResNetSpec, options: BackboneOptions
) -> tf_keras.Model:
    spec = dataclasses.replace(
        spec,
        width=spec.width if options.width is None else options.width,
        mixer=dataclasses.replace(spec.mixer, span=options.span),
    )
    return build_resnet(
        spec,
        options.output_stride,
        options.drop_path,
        options.norm,
        options.recompute,
    )


def _axial_classifier(
    spec: ResNetSpec, options: ClassifierOptions
) -> ImageClassifier:
    return ImageClassifier(_axial_backbone(spec, options), options.num_classes)


def _axial_deeplab(
    spec: PanopticSpec, options: PanopticOptions
) -> PanopticDeepLab:
    norm = options.norm
    decoder = build_dual_decoder(
        spec.decoder, options.output_stride, options.aspp, norm
    )
    backbone = _axial_backbone(spec.backbone, options)
    heads = panoptic_heads(
        options.num_classes, spec.decoder.semantic_filters, norm
    )
    return PanopticDeepLab(backbone, decoder, heads)


def panoptic_heads(
    num_classes: int,
    semantic_filters: int = 256,
    norm: NormOptions | None = None,
) -> dict[str, PredictionHead]:
    """The three heads, by name of their output."""
    sizes = {
        keys.SEMANTIC_LOGITS: (num_classes, semantic_filters),
        keys.CENTER_HEATMAP: (1, 32),
        keys.CENTER_OFFSET: (2, 32),
    }
    return {
        name: PredictionHead(channels, filters, norm, name=f"{name}_head")
        for name, (channels, filters) in sizes.items()
    }


BACKBONES = Family(_axial_backbone, BackboneOptions)
CLASSIFIERS = Family(_axial_classifier, ClassifierOptions)
PANOPTIC_MODELS = Family(_axial_deeplab, PanopticOptions)


@functools.cache
def _rows() -> dict[str, tuple[Family, Any]]:
    """Family and row by model name."""
    rows = {}
    for name, spec in AXIAL_RESNETS.items():
        rows[name] = (CLASSIFIERS, spec)
        rows[f"{name}_backbone"] = (BACKBONES, spec)
    for name, spec in AXIAL_DEEPLABS.items():
        rows[name] = (PANOPTIC_MODELS, spec)
        rows[f"{name}_backbone"] = (BACKBONES, spec.backbone)
    return rows
