"""ResNets of any mixer; the convolutional rows (arXiv:1512.03385)."""

import dataclasses
from collections.abc import Callable

import tf_keras

from axial_deeplab.backbones.backbone import (
    Backbone,
    PixelStatistics,
    insert_non_local,
)
from axial_deeplab.backbones.stage_plan import BlockPlan, plan_stages
from axial_deeplab.layers.mixers import (
    AxialMixer,
    BasicConvs,
    ConvMixer,
    HybridMixer,
    LastLevelMixer,
    Mixer,
)
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.residual import BasicBlock, BottleneckBlock
from axial_deeplab.layers.stems import imagenet_stem

_LAST_LEVEL = 5


@dataclasses.dataclass(frozen=True)
class ResNetSpec:
    """A row: blocks per stage, width multipliers, stem and mixer.

    Attributes:
      blocks: of levels "2" to "5"; five numbers begin with level "1".
      width: multiplier of the stages.
      stem: (width, norm) to images of stride 4; None: images go straight into
        the first block, and level "1" is the stem.
      stem_width: for narrow backbones, whose stem alone sees texture; None is
        `width`.
      mixer: the spatial layer of all blocks, or what says which have which.
      stem_stride: of what the stem returns.
      samples: whether shortcuts of equal channels stride without convolution.
      non_local: names of the blocks behind which a non-local block stands,
        for example "res4_block2".
      table_image_px: side of the images whose rows the position tables of
        axial attention hold the offsets of; None: as many as the mixer says.
      pixels: what images are normalised with; None: 0..255 becomes -1..1.
      norm: of all batch norms where nobody says otherwise; None: the defaults.
    """

    blocks: tuple[int, ...] = (3, 4, 6, 3)
    width: float = 1.0
    stem: Callable[..., tf_keras.layers.Layer] | None = imagenet_stem
    stem_width: float | None = None
    mixer: Mixer | HybridMixer | LastLevelMixer | BasicConvs = AxialMixer()
    stem_stride: int = 4
    samples: bool = False
    non_local: tuple[str, ...] = ()
    table_image_px: int | None = None
    pixels: PixelStatistics | None = None
    norm: NormOptions | None = None

    def build(
        self,
        output_stride: int = 32,
        drop_path: float = 0.0,
        norm: NormOptions | None = None,
        recompute: bool = False,
    ) -> Backbone:
        """See `build_resnet`."""
        return build_resnet(self, output_stride, drop_path, norm, recompute)


# arXiv:1512.03385, Table 1; 26 and 38 layers as in arXiv:1906.05909, section 4.
RESNETS = {
    "resnet_26": ResNetSpec(blocks=(1, 2, 4, 1), mixer=ConvMixer()),
    "resnet_38": ResNetSpec(blocks=(2, 3, 5, 2), mixer=ConvMixer()),
    "resnet_50": ResNetSpec(mixer=ConvMixer()),
    "resnet_101": ResNetSpec(blocks=(3, 4, 23, 3), mixer=ConvMixer()),
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

    Raises:
      ValueError: the output stride, or the name of a block, is none.
    """
    norm = norm or spec.norm
    plan = plan_stages(
        spec.blocks,
        spec.width,
        output_stride,
        drop_path,
        stem_stride=spec.stem_stride if spec.stem else 1,
        first_level=_LAST_LEVEL + 1 - len(spec.blocks),
    )
    levels = {
        level: [
            build_block(
                spec,
                block,
                _mixer(spec, level, block),
                norm,
                recompute,
                f"res{level}_block{i}",
            )
            for i, block in enumerate(blocks)
        ]
        for level, blocks in plan.items()
    }
    levels = insert_non_local(levels, spec.non_local, norm)
    stem = spec.stem and spec.stem(spec.stem_width or spec.width, norm)
    return Backbone(stem, levels, spec.pixels, name="backbone")


def build_block(
    spec: ResNetSpec,
    block: BlockPlan,
    mixer: Mixer | BasicConvs,
    norm: NormOptions | None,
    recompute: bool,
    name: str,
) -> tf_keras.layers.Layer:
    """One residual block of a row, as it is planned."""
    shared = {
        "filters": block.filters,
        "stride": block.stride,
        "drop_path": block.drop_path,
        "norm": norm,
        "recompute": recompute,
        "samples": spec.samples,
        "name": name,
    }
    if isinstance(mixer, BasicConvs):
        return BasicBlock(dilation=block.dilation, **shared)
    return BottleneckBlock(
        mixer.build(block.width, block.stride, norm, block.dilation),
        inner_filters=mixer.inner_filters(block.width),
        **shared,
    )


def _mixer(
    spec: ResNetSpec, level: str, block: BlockPlan
) -> Mixer | BasicConvs:
    """The mixer of a block; its tables may be as long as its rows."""
    mixer = spec.mixer
    if isinstance(mixer, LastLevelMixer):
        return mixer.last if level == str(_LAST_LEVEL) else mixer.others
    if isinstance(mixer, HybridMixer):
        axial = block.input_stride >= mixer.from_stride
        mixer = mixer.axial if axial else mixer.convolution
    if spec.table_image_px is None or not isinstance(mixer, AxialMixer):
        return mixer
    length = -(-spec.table_image_px // block.input_stride)
    return dataclasses.replace(mixer, max_distance=length)
