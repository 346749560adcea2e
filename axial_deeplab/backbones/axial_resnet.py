"""Axial-ResNet (arXiv:2003.07853, section 3.3, Tables 1 and 10)."""

import dataclasses
from collections.abc import Callable

import tf_keras

from axial_deeplab.backbones.backbone import Backbone
from axial_deeplab.backbones.stage_plan import plan_stages
from axial_deeplab.layers.mixers import AxialMixer
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.residual import BottleneckBlock
from axial_deeplab.layers.stems import imagenet_stem


@dataclasses.dataclass(frozen=True)
class ResNetSpec:
    """A row: blocks per stage, width multipliers, stem and mixer.

    `stem_width` is for narrow backbones, whose stem alone sees texture; None
    is `width`.
    """

    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    width: float = 1.0
    stem: Callable[..., tf_keras.layers.Layer] = imagenet_stem
    stem_width: float | None = None
    mixer: AxialMixer = AxialMixer()


AXIAL_RESNETS = {
    "axial_resnet_26_s": ResNetSpec(blocks=(1, 2, 4, 1), width=0.5),
    "axial_resnet_s": ResNetSpec(width=0.5),
    "axial_resnet_m": ResNetSpec(width=0.75),
    "axial_resnet_l": ResNetSpec(),
    "axial_resnet_xl": ResNetSpec(width=2.0),
}


def build_resnet(
    spec: ResNetSpec,
    output_stride: int = 32,
    drop_path: float = 0.0,
    norm: NormOptions | None = None,
    recompute: bool = False,
) -> Backbone:
    """The backbone that a row describes.

    With `recompute`, training stores the inputs of residual blocks only and
    computes what is inside again for the gradient.
    """
    plan = plan_stages(spec.blocks, spec.width, output_stride, drop_path)
    levels = {
        level: [
            BottleneckBlock(
                spec.mixer.build(block.width, block.stride, norm),
                inner_filters=spec.mixer.inner_filters(block.width),
                filters=block.filters,
                stride=block.stride,
                drop_path=block.drop_path,
                norm=norm,
                recompute=recompute,
                name=f"res{level}_block{i}",
            )
            for i, block in enumerate(blocks)
        ]
        for level, blocks in plan.items()
    }
    stem = spec.stem(spec.stem_width or spec.width, norm)
    return Backbone(stem, levels, name="backbone")
