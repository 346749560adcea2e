"""Xception-71, the backbone of Panoptic-DeepLab's best models.

The aligned Xception of arXiv:1802.02611, section 3.2 (strided convolutions for
pools, a norm after each depthwise part, 16 middle blocks) with two more blocks
in the entry flow; 71 counts convolutions. Panoptic-DeepLab around it counts as
arXiv:2003.07853 prints: 46.7M parameters; its multiply-adds at 1025x2049 are
545.5B, 0.4 % below the 547.7B printed. Levels are sums without a ReLU, but for
the last.
"""

import dataclasses
from typing import NamedTuple

from axial_deeplab.backbones.backbone import Backbone, insert_non_local
from axial_deeplab.backbones.stage_plan import drop_path_rates, plan_strides
from axial_deeplab.layers.convolution import SeparableConvNormAct
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.stems import xception_stem
from axial_deeplab.layers.xception_block import XceptionBlock

_STEM_STRIDE = 2


class _Block(NamedTuple):
    level: str
    filters: tuple[int, int, int]
    stride: int


_ENTRY_FLOW = (
    _Block("2", (128, 128, 128), 2),
    _Block("2", (256, 256, 256), 1),
    _Block("3", (256, 256, 256), 2),
    _Block("3", (728, 728, 728), 1),
    _Block("4", (728, 728, 728), 2),
)
_MIDDLE_BLOCK = _Block("4", (728, 728, 728), 1)
_EXIT_BLOCK = _Block("5", (728, 1024, 1024), 2)
# Plain separable convolutions behind the last block.
_EXIT_FILTERS = (1536, 1536, 2048)


@dataclasses.dataclass(frozen=True)
class XceptionSpec:
    """A row: blocks of the middle flow, width multiplier.

    `non_local` names the blocks behind which a non-local block stands.
    """

    middle_blocks: int = 16
    width: float = 1.0
    non_local: tuple[str, ...] = ()

    def build(
        self,
        output_stride: int = 32,
        drop_path: float = 0.0,
        norm: NormOptions | None = None,
        recompute: bool = False,
    ) -> Backbone:
        """See `build_xception`."""
        return build_xception(self, output_stride, drop_path, norm, recompute)


XCEPTIONS = {"xception_71": XceptionSpec()}


def build_xception(
    spec: XceptionSpec,
    output_stride: int = 32,
    drop_path: float = 0.0,
    norm: NormOptions | None = None,
    recompute: bool = False,
) -> Backbone:
    """The backbone that a row describes.

    Strides beyond the output stride are dropped, and what stands behind them
    is dilated. Arguments and errors are those of `build_resnet`.
    """
    middle = (_MIDDLE_BLOCK,) * spec.middle_blocks
    blocks = (*_ENTRY_FLOW, *middle, _EXIT_BLOCK)
    strides = plan_strides(
        [*(block.stride for block in blocks), 1], _STEM_STRIDE, output_stride
    )
    rates = drop_path_rates(drop_path, len(blocks))
    levels = {}
    for i, block in enumerate(blocks):
        level = levels.setdefault(block.level, [])
        stride, dilation = strides[i]
        level.append(
            XceptionBlock(
                tuple(round(count * spec.width) for count in block.filters),
                stride,
                dilation,
                rates[i],
                norm,
                recompute,
                name=f"res{block.level}_block{len(level)}",
            )
        )
    levels["5"] += [
        SeparableConvNormAct(
            round(count * spec.width),
            kernel_size=3,
            dilation=strides[-1][1],
            norm=norm,
            name=f"exit_{i}",
        )
        for i, count in enumerate(_EXIT_FILTERS)
    ]
    levels = insert_non_local(levels, spec.non_local, norm)
    return Backbone(xception_stem(spec.width, norm), levels, name="backbone")
