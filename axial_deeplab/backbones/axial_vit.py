"""Axial vision transformers: stages of `AxialTransformerBlock`s.

The sizes are ours: no paper fixes them. A level is a token embedding (level
"2" starts from a stem of stride 4), its blocks and a layer norm, which the
next level starts from.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from axial_deeplab.backbones.backbone import (
    Backbone,
    Levels,
    PixelStatistics,
    insert_non_local,
)
from axial_deeplab.backbones.stage_plan import drop_path_rates, plan_strides
from axial_deeplab.layers.axial_transformer import (
    AxialTransformerBlock,
    TransformerOptions,
)
from axial_deeplab.layers.group_norm import ChannelNorm
from axial_deeplab.layers.head_ops import HeadOptions
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.stems import TokenEmbedding, token_stem

# What a block does otherwise, by its name: order, skip, window, heads and so
# on, as fields of `TransformerOptions` and of `HeadOptions`.
Plan = Mapping[str, Mapping[str, Any]]

_STEM_STRIDE = 4
_HEAD_FIELDS = frozenset(f.name for f in dataclasses.fields(HeadOptions))


@dataclasses.dataclass(frozen=True)
class AxialViTSpec:
    """A row: channels and blocks of levels "2" to "5".

    Attributes:
      channels: of each level, where the width is 1.
      blocks: of each level.
      head_depth: channels of a head.
      options: of all blocks; their heads have `head_depth` channels.
      plan: what single blocks do otherwise.
      drop_path: of the last block where nobody says otherwise.
      width: factor of the channels.
      non_local: blocks behind which a non-local block stands.
    """

    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    head_depth: int = 32
    options: TransformerOptions = TransformerOptions()
    plan: Plan = dataclasses.field(default_factory=dict)
    drop_path: float = 0.1
    width: float = 1.0
    non_local: tuple[str, ...] = ()

    def build(
        self,
        output_stride: int = 32,
        drop_path: float | None = None,
        norm: NormOptions | None = None,
        recompute: bool = False,
    ) -> Backbone:
        """See `build_axial_vit`."""
        return build_axial_vit(self, output_stride, drop_path, norm, recompute)


AXIAL_VITS = {
    "axial_vit_tiny": AxialViTSpec((32, 64, 128, 256), (2, 2, 4, 2)),
    "axial_vit_small": AxialViTSpec((64, 128, 256, 512), (2, 2, 6, 2)),
    "axial_vit_base": AxialViTSpec((96, 192, 384, 768), (2, 2, 12, 2)),
}


def build_axial_vit(
    spec: AxialViTSpec,
    output_stride: int = 32,
    drop_path: float | None = None,
    norm: NormOptions | None = None,
    recompute: bool = False,
) -> Backbone:
    """The backbone that a row describes.

    An embedding whose stride would pass `output_stride` has none. There are
    no batch norms but those of non-local blocks, for which `norm` is. With
    `recompute`, training stores the inputs of residual branches only.

    Raises:
      ValueError: the plan names a block or an option that does not exist.
    """
    last = spec.drop_path if drop_path is None else drop_path
    rates = iter(drop_path_rates(last, sum(spec.blocks)))
    strides = plan_strides([1, 2, 2, 2], _STEM_STRIDE, output_stride)
    widths = [round(channels * spec.width) for channels in spec.channels]
    options = _block_options(spec, widths)
    levels: Levels = {}
    for index, channels in enumerate(widths):
        level = str(index + 2)
        blocks = [
            AxialTransformerBlock(
                channels, options[name], next(rates), recompute, name=name
            )
            for name in _block_names(spec, index)
        ]
        levels[level] = [*blocks, ChannelNorm(name=f"res{level}_norm")]
        if index > 0:  # the stem goes to level "2"
            embedding = TokenEmbedding(
                channels, strides[index][0], name=f"res{level}_embedding"
            )
            levels[level].insert(0, embedding)
    levels = insert_non_local(levels, spec.non_local, norm)
    return Backbone(
        token_stem(widths[0]), levels, PixelStatistics(), name="backbone"
    )


def _block_names(spec: AxialViTSpec, index: int) -> list[str]:
    """Of a level, in their order."""
    return [f"res{index + 2}_block{i}" for i in range(spec.blocks[index])]


def _block_options(
    spec: AxialViTSpec, widths: list[int]
) -> dict[str, TransformerOptions]:
    """Of each block, by its name."""
    options = {}
    for index, channels in enumerate(widths):
        heads = dataclasses.replace(
            spec.options.heads, heads=max(channels // spec.head_depth, 1)
        )
        for name in _block_names(spec, index):
            options[name] = dataclasses.replace(spec.options, heads=heads)
    unknown = sorted(set(spec.plan) - set(options))
    if unknown:
        names = list(options)
        raise ValueError(
            f"`plan` must hold names of blocks, from {names[0]!r} to "
            f"{names[-1]!r}; got {', '.join(unknown)}."
        )
    for name, changes in spec.plan.items():
        options[name] = _changed(name, options[name], changes)
    return options


def _changed(
    name: str, options: TransformerOptions, changes: Mapping[str, Any]
) -> TransformerOptions:
    """The options of a block with what the plan says of it."""
    of_block = {f.name for f in dataclasses.fields(options)} - {"heads"}
    known = of_block | _HEAD_FIELDS
    unknown = sorted(set(changes) - known)
    if unknown:
        raise ValueError(
            f"Unknown option {', '.join(unknown)} of block {name!r} in `plan`;"
            f" it takes {', '.join(sorted(known))}."
        )
    heads = {k: v for k, v in changes.items() if k in _HEAD_FIELDS}
    others = {k: v for k, v in changes.items() if k in of_block}
    heads = dataclasses.replace(options.heads, **heads)
    return dataclasses.replace(options, heads=heads, **others)
