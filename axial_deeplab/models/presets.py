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
    spec: PanopticSpec,
    num_classes: int = 134,
    output_stride: int = 16,
    span: int | None = None,
    aspp: bool = False,
    width: float | None = None,
    drop_path: float = 0.0,
    norm: NormOptions | None = None,
) -> PanopticDeepLab:
    decoder = build_dual_decoder(spec.decoder, output_stride, aspp, norm)
    backbone = _axial_backbone(
        spec.backbone, output_stride, span, width, drop_path, norm
    )
    heads = panoptic_heads(num_classes, spec.decoder.semantic_filters, norm)
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


@functools.cache
def _builders() -> dict[str, Callable[..., tf_keras.Model]]:
    """Builder by model name."""
    builders = {}
    for name, spec in AXIAL_RESNETS.items():
        builders[name] = functools.partial(_axial_classifier, spec)
        backbone = functools.partial(_axial_backbone, spec)
        builders[f"{name}_backbone"] = backbone
    for name, spec in AXIAL_DEEPLABS.items():
        builders[name] = functools.partial(_axial_deeplab, spec)
        backbone = functools.partial(_axial_backbone, spec.backbone)
        builders[f"{name}_backbone"] = backbone
    return builders
