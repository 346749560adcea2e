"""Costs of SegNeXt's layers, counted by hand."""

import collections

from axial_deeplab.costs.cost import Cost
from axial_deeplab.layers.criss_cross import CrissCrossAttention
from axial_deeplab.layers.depthwise import DepthwiseConv
from axial_deeplab.layers.expectation_maximization import (
    ExpectationMaximizationContext,
)
from axial_deeplab.layers.group_norm import ChannelNorm, GroupNorm
from axial_deeplab.layers.hamburger import FactorizationOptions, Hamburger
from axial_deeplab.layers.regularization import LayerScale


def cost(multiply_adds=0, elements=(), **parameters):
    return Cost(
        multiply_adds,
        collections.Counter(dict(elements)),
        collections.Counter(parameters),
    )


# Layer, shape of its input, cost.
SEGNEXT_CASES = {
    "channel_norm": (
        ChannelNorm(),
        (1, 7, 9, 2),
        cost(elements={"norm": 7 * 9 * 2}, norm=2 * 2),
    ),
    "group_norm": (
        GroupNorm(2),
        (1, 7, 9, 4),
        cost(elements={"norm": 7 * 9 * 4}, norm=2 * 4),
    ),
    "scale": (
        LayerScale(),
        (1, 7, 9, 2),
        cost(elements={"product": 7 * 9 * 2}, scale=2),
    ),
    "strip": (
        DepthwiseConv((1, 7)),
        (1, 5, 9, 2),
        cost(5 * 9 * 7 * 2, kernel=7 * 2, bias=2),
    ),
    # Queries and keys of depth 2; 5 + 3 keys a pixel.
    "criss_cross": (
        CrissCrossAttention(2),
        (1, 5, 3, 4),
        cost(
            15 * 4 * (2 + 2 + 4) + 15 * (5 + 3) * (2 + 4),
            {"product": 15 * 4},
            kernel=4 * (2 + 2 + 4),
            bias=2 + 2 + 4,
            scale=1,
        ),
    ),
    "clusters": (
        ExpectationMaximizationContext(bases=3, groups=2),
        (1, 5, 3, 4),
        cost(2 * 15 * 4 * 4, {"norm": 15 * 4}, kernel=4 * 4, norm=2 * 4),
    ),
    # 15 pixels of depth 4, rank 3. One round: two updates of coefficients,
    # one of bases; the first coefficients, and the result.
    "hamburger": (
        Hamburger(FactorizationOptions(rank=3, eval_steps=1), groups=2),
        (1, 5, 3, 4),
        cost(
            2 * 15 * 4 * 4  # convolutions
            + 15 * 4 * 3  # first coefficients
            + 2 * (15 * 4 * 3 + 3 * 4 * 3 + 15 * 3 * 3)
            + (15 * 4 * 3 + 3 * 15 * 3 + 4 * 3 * 3)
            + 15 * 3 * 4,
            {"product": (1 + 2) * 15 * 3 + 4 * 3, "norm": 15 * 4},
            kernel=2 * 4 * 4,
            bias=4,
            norm=2 * 4,
        ),
    ),
}
