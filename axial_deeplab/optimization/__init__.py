"""Optimizers and learning-rate schedules."""

from axial_deeplab.optimization.grouped_adamw import GroupedAdamW
from axial_deeplab.optimization.lookahead import Lookahead
from axial_deeplab.optimization.radam import RectifiedAdam
from axial_deeplab.optimization.schedules import (
    WarmUpCosine,
    WarmUpPoly,
    WarmUpTimesPoly,
)

__all__ = [
    "GroupedAdamW",
    "Lookahead",
    "RectifiedAdam",
    "WarmUpCosine",
    "WarmUpPoly",
    "WarmUpTimesPoly",
]
