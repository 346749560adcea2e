"""The tables of panoptic models: a row is a backbone and a decoder."""

import dataclasses

from axial_deeplab.backbones.axial_vit import AXIAL_VITS, AxialViTSpec
from axial_deeplab.backbones.mobilenet import MOBILENETS, MobileNetSpec
from axial_deeplab.backbones.mobilenet import NORM as MOBILENET_NORM
from axial_deeplab.backbones.published_resnets import PUBLISHED_RESNETS
from axial_deeplab.backbones.resnet import ResNetSpec
from axial_deeplab.backbones.xception import XceptionSpec
from axial_deeplab.decoders.dual_conv import DualDecoderSpec
from axial_deeplab.layers.attention_options import STAND_ALONE
from axial_deeplab.layers.mixers import (
    AxialMixer,
    ConvMixer,
    HybridMixer,
    LocalMixer,
    Mixer,
)
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.stems import deeplab_stem

# What a name can have as its backbone.
BackboneSpec = ResNetSpec | XceptionSpec | MobileNetSpec | AxialViTSpec


@dataclasses.dataclass(frozen=True)
class PanopticSpec:
    """A row: backbone and decoder of a panoptic model.

    `norm` is that of all batch norms where nobody says otherwise; None: the
    defaults, and in the backbone its own.
    """

    backbone: BackboneSpec
    decoder: DualDecoderSpec = DualDecoderSpec()
    aspp: bool = False
    norm: NormOptions | None = None


def _axial(width: float) -> PanopticSpec:
    return PanopticSpec(ResNetSpec(width=width, stem=deeplab_stem))


def _of_mixer(
    mixer: Mixer, blocks: tuple[int, ...] = (3, 4, 6, 3)
) -> PanopticSpec:
    """Panoptic-DeepLab around a ResNet of width 1 and of any mixer."""
    return PanopticSpec(
        ResNetSpec(blocks=blocks, stem=deeplab_stem, mixer=mixer)
    )


# arXiv:2003.07853, Table 6. `xs` is ours: small enough for a CPU.
AXIAL_DEEPLABS = {
    "axial_deeplab_xs": PanopticSpec(
        ResNetSpec(
            blocks=(1, 1, 2, 1),
            width=0.25,
            stem=deeplab_stem,
            stem_width=0.5,
            mixer=AxialMixer(heads=4),
        ),
        DualDecoderSpec(semantic_filters=128, instance_filters=64),
    ),
    "axial_deeplab_s": _axial(0.5),
    "axial_deeplab_m": _axial(0.75),
    "axial_deeplab_l": _axial(1.0),
    "axial_deeplab_xl": _axial(2.0),
}

# Its baselines (arXiv:1911.10194): Tables 5 and 6 of arXiv:2003.07853.
PANOPTIC_DEEPLABS = {
    "panoptic_deeplab_resnet50": _of_mixer(ConvMixer()),
    "panoptic_deeplab_resnet101": _of_mixer(ConvMixer(), (3, 4, 23, 3)),
    "panoptic_deeplab_attention": _of_mixer(LocalMixer(options=STAND_ALONE)),
    "panoptic_deeplab_ps_attention": _of_mixer(LocalMixer()),
    "panoptic_deeplab_xception71": PanopticSpec(XceptionSpec(), aspp=True),
}

# Ours, around the axial vision transformers.
PANOPTIC_AXIAL_VITS = {
    f"panoptic_deeplab_{name}": PanopticSpec(row)
    for name, row in AXIAL_VITS.items()
}

# Those of DeepLab2's model zoo, of which checkpoints are public.
_PUBLISHED_DECODER = DualDecoderSpec(as_published=True)
PUBLISHED_DEEPLABS = {
    f"panoptic_deeplab_{name}": PanopticSpec(
        row, _PUBLISHED_DECODER, aspp=not isinstance(row.mixer, HybridMixer)
    )
    for name, row in PUBLISHED_RESNETS.items()
} | {
    f"panoptic_deeplab_{name}": PanopticSpec(
        row, _PUBLISHED_DECODER, aspp=True, norm=MOBILENET_NORM
    )
    for name, row in MOBILENETS.items()
}
