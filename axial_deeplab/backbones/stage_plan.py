"""Where the strides and widths of a four-stage backbone go, as data."""

import dataclasses

_BASE_WIDTH = 64


@dataclasses.dataclass(frozen=True)
class BlockPlan:
    """One residual block: stage width f, stride, drop-path rate."""

    width: int
    stride: int
    drop_path: float

    @property
    def filters(self) -> int:
        """Output channels, four times the stage width."""
        return 4 * self.width


def plan_stages(
    blocks: tuple[int, ...],
    width: float = 1.0,
    output_stride: int = 32,
    drop_path: float = 0.0,
    stem_stride: int = 4,
) -> dict[str, tuple[BlockPlan, ...]]:
    """Plans of all blocks by level "2".."5" (res2..res5).

    The first block of a level halves the resolution until `output_stride` is
    reached; after that strides are dropped without dilation (attention needs
    none; arXiv:2003.07853, section 3.4). The first level keeps the stride of
    the stem. Drop-path rates grow linearly with depth up to `drop_path`.
    """
    if output_stride not in (8, 16, 32):
        raise ValueError(
            f"`output_stride` must be 8, 16 or 32; got {output_stride}."
        )
    stride_now, block, plan = stem_stride, 0, {}
    for stage, count in enumerate(blocks):
        stage_stride = 2 if stage > 0 and stride_now < output_stride else 1
        stride_now *= stage_stride
        rates = [
            drop_path * (block + i) / max(sum(blocks) - 1, 1)
            for i in range(count)
        ]
        plan[str(stage + 2)] = tuple(
            BlockPlan(
                width=round(_BASE_WIDTH * width * 2**stage),
                stride=stage_stride if i == 0 else 1,
                drop_path=rate,
            )
            for i, rate in enumerate(rates)
        )
        block += count
    return plan
