"""Models by name: the tables of the families and how a row becomes a model."""

import dataclasses
import difflib
import fnmatch
import functools
import inspect
from collections.abc import Callable
from typing import Any

import tf_keras

from axial_deeplab import keys
from axial_deeplab.backbones.axial_resnet import (
    AXIAL_DEEPLABS,
    AXIAL_RESNETS,
    ResNetSpec,
    build_resnet,
)
from axial_deeplab.decoders.aspp import ASPP, ASPP_RATES
from axial_deeplab.decoders.dual_conv import DecoderBranch, DualConvDecoder
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.models.heads import PredictionHead
from axial_deeplab.models.image_classifier import ImageClassifier
from axial_deeplab.models.panoptic_deeplab import PanopticDeepLab

# Projection channels of the low levels by output stride: (semantic, instance).
_LOW_LEVEL_FILTERS = {
    16: ({"3": 64, "2": 32}, {"3": 32, "2": 16}),
    32: ({"4": 128, "3": 64, "2": 32}, {"4": 64, "3": 32, "2": 16}),
}


def list_models(pattern: str = "*") -> list[str]:
    """Names that `create_model` knows and that match a glob, sorted."""
    return sorted(fnmatch.filter(_builders(), pattern))


def create_model(name: str, **options: Any) -> tf_keras.Model:
    """Builds a model by name, with weights at their initial values.

    Args:
      name: one of `list_models()`.
      **options: what the family takes, for example `num_classes`,
        `output_stride`, `span`, `width`, `aspp`, `drop_path`.

    Raises:
      ValueError: if the name or an option is unknown; the message lists the
        nearest names or the options that exist.
    """
    builders = _builders()
    if name not in builders:
        near = difflib.get_close_matches(name, builders, n=3, cutoff=0.4)
        raise ValueError(
            f"Unknown model {name!r}; nearest: {', '.join(near) or 'none'}. "
            "list_models() names all."
        )
    builder = builders[name]
    known = [p for p in inspect.signature(builder).parameters if p != "spec"]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"Unknown option {', '.join(unknown)} of model {name!r}; it takes "
            f"{', '.join(known)}."
        )
    model = builder(**options)
    model.build((None, None, None, 3))
    return model


def _axial_backbone(
    spec: ResNetSpec,
    output_stride: int = 32,
    span: int | None = None,
    width: float | None = None,
    drop_path: float = 0.0,
    norm: NormOptions | None = None,
) -> tf_keras.Model:
    spec = dataclasses.replace(
        spec,
        width=spec.width if width is None else width,
        mixer=dataclasses.replace(spec.mixer, span=span),
    )
    return build_resnet(spec, output_stride, drop_path, norm)


def _axial_classifier(
    spec: ResNetSpec,
    num_classes: int = 1000,
    span: int | None = None,
    width: float | None = None,
    drop_path: float = 0.0,
    norm: NormOptions | None = None,
) -> ImageClassifier:
    backbone = _axial_backbone(
        spec,
        span=span,
        width=width,
        drop_path=drop_path,
        norm=norm,
    )
    return ImageClassifier(backbone, num_classes)


def _axial_deeplab(
    spec: ResNetSpec,
    num_classes: int = 134,
    output_stride: int = 16,
    span: int | None = None,
    aspp: bool = False,
    width: float | None = None,
    drop_path: float = 0.0,
    norm: NormOptions | None = None,
) -> PanopticDeepLab:
    if output_stride not in _LOW_LEVEL_FILTERS:
        raise ValueError(
            f"`output_stride` must be 16 or 32; got {output_stride}."
        )
    backbone = _axial_backbone(
        spec, output_stride, span, width, drop_path, norm
    )
    decoder = dual_decoder(output_stride, aspp, norm)
    heads_by_name = panoptic_heads(num_classes, norm)
    return PanopticDeepLab(backbone, decoder, heads_by_name)


def dual_decoder(
    output_stride: int, aspp: bool = False, norm: NormOptions | None = None
) -> DualConvDecoder:
    """Semantic branch of 256 channels, instance branch of 128."""

    def branch(name: str, low: dict[str, int], filters: int) -> DecoderBranch:
        context = None
        if aspp:
            rates = ASPP_RATES[output_stride]
            context = ASPP(rates=rates, norm=norm, name="aspp")
        return DecoderBranch(low, filters, context, norm, name=name)

    semantic, instance = _LOW_LEVEL_FILTERS[output_stride]
    return DualConvDecoder(
        branch("semantic_decoder", semantic, 256),
        branch("instance_decoder", instance, 128),
        name="decoder",
    )


def panoptic_heads(
    num_classes: int, norm: NormOptions | None = None
) -> dict[str, PredictionHead]:
    """The three heads, by name of their output."""
    sizes = {
        keys.SEMANTIC_LOGITS: (num_classes, 256),
        keys.CENTER_HEATMAP: (1, 32),
        keys.CENTER_OFFSET: (2, 32),
    }
    return {
        name: PredictionHead(channels, filters, norm, name=f"{name}_head")
        for name, (channels, filters) in sizes.items()
    }


@functools.cache
def _builders() -> dict[str, Callable[..., tf_keras.Model]]:
    """Builder by model name."""
    builders = {}
    for name, spec in AXIAL_RESNETS.items():
        builders[name] = functools.partial(_axial_classifier, spec)
    for name, spec in AXIAL_DEEPLABS.items():
        builders[name] = functools.partial(_axial_deeplab, spec)
    for name, spec in (AXIAL_RESNETS | AXIAL_DEEPLABS).items():
        backbone = functools.partial(_axial_backbone, spec)
        builders[f"{name}_backbone"] = backbone
    return builders
