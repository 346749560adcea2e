"""Optimizers and learning-rate schedules."""

from axial_deeplab.optimization.lookahead import Lookahead
from axial_deeplab.optimization.radam import RectifiedAdam
from axial_deeplab.optimization.schedules import WarmUpCosine, WarmUpPoly

__all__ = ["Lookahead", "RectifiedAdam", "WarmUpCosine", "WarmUpPoly"]
