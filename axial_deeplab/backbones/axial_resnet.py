"""Axial-ResNets (arXiv:2003.07853, section 3.3, Tables 1 and 10)."""

from axial_deeplab.backbones.backbone import PixelStatistics
from axial_deeplab.backbones.resnet import ResNetSpec
from axial_deeplab.layers.mixers import AxialMixer
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.stems import scaled_imagenet_stem

_26_LAYERS, _50_LAYERS = (1, 2, 4, 1), (3, 4, 6, 3)
_XS_BLOCKS, _XS_HEADS = (1, 1, 2, 1), 4  # ours: small enough for a CPU


AXIAL_RESNETS = {
    "axial_resnet_xs": ResNetSpec(
        blocks=_XS_BLOCKS, width=0.25, mixer=AxialMixer(heads=_XS_HEADS)
    ),
    "axial_resnet_26_s": ResNetSpec(blocks=_26_LAYERS, width=0.5),
    "axial_resnet_26_m": ResNetSpec(blocks=_26_LAYERS, width=0.75),
    "axial_resnet_26_l": ResNetSpec(blocks=_26_LAYERS),
    "axial_resnet_s": ResNetSpec(width=0.5),
    "axial_resnet_m": ResNetSpec(width=0.75),
    "axial_resnet_l": ResNetSpec(),
    "axial_resnet_xl": ResNetSpec(width=2.0),
}


# Of the authors' PyTorch code.
_TORCH_NORM = NormOptions(momentum=0.9, epsilon=1e-5)


def _pooled(width: float, blocks: tuple[int, ...] = _50_LAYERS) -> ResNetSpec:
    """The form that the authors published in PyTorch, trained at 224 px.

    Strides average behind both axes, the stem is scaled, too, and each
    position table holds the offsets of its own map; in larger images those
    beyond share its end rows.
    """
    return ResNetSpec(
        blocks,
        width,
        stem=scaled_imagenet_stem,
        mixer=AxialMixer(pooled=True),
        table_image_px=224,
        pixels=PixelStatistics(),
        norm=_TORCH_NORM,
    )


POOLED_AXIAL_RESNETS = {
    "pooled_axial_resnet_26_s": _pooled(0.5, _26_LAYERS),
    "pooled_axial_resnet_s": _pooled(0.5),
    "pooled_axial_resnet_m": _pooled(0.75),
    "pooled_axial_resnet_l": _pooled(1.0),
}


def _full(
    width: float, blocks: tuple[int, ...] = _50_LAYERS, heads: int = 8
) -> ResNetSpec:
    """Three axial blocks as the stem, no pool, span 15 in all blocks."""
    mixer = AxialMixer(heads, span=15)
    return ResNetSpec((3, *blocks), width, stem=None, mixer=mixer)


FULL_AXIAL_RESNETS = {
    "full_axial_resnet_xs": _full(0.25, _XS_BLOCKS, _XS_HEADS),
    "full_axial_resnet_26_s": _full(0.5, _26_LAYERS),
    "full_axial_resnet_26_m": _full(0.75, _26_LAYERS),
    "full_axial_resnet_26_l": _full(1.0, _26_LAYERS),
    "full_axial_resnet_s": _full(0.5),
    "full_axial_resnet_m": _full(0.75),
    "full_axial_resnet_l": _full(1.0),
}
