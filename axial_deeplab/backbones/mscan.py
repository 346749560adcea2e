"""MSCAN, the encoder of SegNeXt (arXiv:2209.08575, section 3.1)."""

import dataclasses

from axial_deeplab.backbones.backbone import Backbone, Levels, PixelStatistics
from axial_deeplab.backbones.stage_plan import drop_path_rates
from axial_deeplab.layers.group_norm import ChannelNorm
from axial_deeplab.layers.mscan_block import MSCANBlock
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.scale_attention import ScaleOptions
from axial_deeplab.layers.stems import PatchEmbedding, overlap_stem

# Of every batch norm, as in the public code.
NORM = NormOptions(momentum=0.9, epsilon=1e-5)


@dataclasses.dataclass(frozen=True)
class MSCANSpec:
    """A row: channels, blocks and feed-forward ratios of levels "2" to "5".

    Attributes:
      channels: of each level.
      blocks: of each level.
      ratios: channels inside the feed-forward part, by those outside.
      drop_path: of the last block where nobody says otherwise.
      scales: what the attention of all blocks consists of.
    """

    channels: tuple[int, ...] = (64, 128, 320, 512)
    blocks: tuple[int, ...] = (3, 3, 12, 3)
    ratios: tuple[int, ...] = (8, 8, 4, 4)
    drop_path: float = 0.1
    scales: ScaleOptions = ScaleOptions()

    def build(
        self,
        drop_path: float | None = None,
        norm: NormOptions | None = None,
        recompute: bool = False,
    ) -> Backbone:
        """See `build_mscan`."""
        return build_mscan(self, drop_path, norm, recompute)


# arXiv:2209.08575, Table 2; drop-path rates of the public configurations.
MSCANS = {
    "mscan_t": MSCANSpec(channels=(32, 64, 160, 256), blocks=(3, 3, 5, 2)),
    "mscan_s": MSCANSpec(blocks=(2, 2, 4, 2)),
    "mscan_b": MSCANSpec(),
    "mscan_l": MSCANSpec(blocks=(3, 5, 27, 3), drop_path=0.3),
}


def build_mscan(
    spec: MSCANSpec,
    drop_path: float | None = None,
    norm: NormOptions | None = None,
    recompute: bool = False,
) -> Backbone:
    """The backbone that a row describes; levels end in a layer norm.

    The normalised map is both the level and what the next one starts from.
    With `recompute`, training stores the inputs of residual branches only.
    """
    norm = norm or NORM
    last = spec.drop_path if drop_path is None else drop_path
    rates = iter(drop_path_rates(last, sum(spec.blocks)))
    levels: Levels = {}
    for index, channels in enumerate(spec.channels):
        level = str(index + 2)
        blocks = [
            MSCANBlock(
                spec.ratios[index],
                spec.scales,
                next(rates),
                norm,
                recompute,
                name=f"res{level}_block{i}",
            )
            for i in range(spec.blocks[index])
        ]
        levels[level] = [*blocks, ChannelNorm(name=f"res{level}_norm")]
        if index > 0:  # the stem goes to level "2"
            embedding = PatchEmbedding(
                channels, norm=norm, name=f"res{level}_embedding"
            )
            levels[level].insert(0, embedding)
    stem = overlap_stem(spec.channels[0], norm)
    return Backbone(stem, levels, PixelStatistics(), name="backbone")
