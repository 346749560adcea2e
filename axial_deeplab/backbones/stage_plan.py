"""Where the strides and widths of a stage-wise backbone go, as data."""

import dataclasses
import itertools
import operator
from collections.abc import Iterable

_BASE_WIDTH = 64
_OUTPUT_STRIDES = (8, 16, 32)


@dataclasses.dataclass(frozen=True)
class BlockPlan:
    """One residual block: stage width f, stride, drop-path rate, dilation.

    `input_stride` is that of the map the block is given where no stride is
    dropped, as in a classifier.
    """

    width: int
    stride: int
    drop_path: float
    input_stride: int
    dilation: int = 1

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
    first_level: int = 2,
) -> dict[str, tuple[BlockPlan, ...]]:
    """Plans of all blocks by level, usually "2".."5" (res2..res5).

    Level l has stride 2**l and stage width 16 * 2**l times `width`. Its first
    block halves the resolution, unless the level starts with its stride (the
    first level behind a stem of that stride) or `output_stride` is reached.
    Drop-path rates grow linearly with depth up to `drop_path`.
    """
    wanted, stride_now = [], stem_stride
    for level, count in enumerate(blocks, start=first_level):
        wanted += [2**level // stride_now] + [1] * (count - 1)
        stride_now = 2**level
    strides = plan_strides(wanted, stem_stride, output_stride)
    rates = drop_path_rates(drop_path, len(wanted))
    reached = itertools.accumulate(wanted, operator.mul, initial=stem_stride)
    input_strides = list(reached)
    plan, begin = {}, 0
    for level, count in enumerate(blocks, start=first_level):
        plan[str(level)] = tuple(
            BlockPlan(
                width=round(_BASE_WIDTH * width * 2 ** (level - 2)),
                stride=strides[i][0],
                drop_path=rates[i],
                input_stride=input_strides[i],
                dilation=strides[i][1],
            )
            for i in range(begin, begin + count)
        )
        begin += count
    return plan


def plan_strides(
    wanted: Iterable[int], stem_stride: int, output_stride: int
) -> list[tuple[int, int]]:
    """(stride, dilation) of blocks in order.

    A stride that would pass `output_stride` is dropped. What stands behind it
    then sees more pixels of the same scene, which convolutions make up for by
    dilation: every `output_stride`-th pixel stays the same.

    Raises:
      ValueError: `output_stride` is not 8, 16 or 32.
    """
    if output_stride not in _OUTPUT_STRIDES:
        raise ValueError(
            f"`output_stride` must be 8, 16 or 32; got {output_stride}."
        )
    stride_now, dilation, planned = stem_stride, 1, []
    for stride in wanted:
        kept = stride if stride_now * stride <= output_stride else 1
        planned.append((kept, dilation))
        stride_now *= kept
        dilation *= stride // kept
    return planned


def drop_path_rates(last: float, count: int) -> list[float]:
    """`count` rates that grow linearly from 0 to `last`."""
    return [last * i / max(count - 1, 1) for i in range(count)]
