"""Losses."""

from axial_deeplab.losses.panoptic_loss import (
    CenterLoss,
    MeanSemanticLoss,
    OffsetLoss,
    PixelLoss,
    SemanticLoss,
    panoptic_losses,
)

__all__ = [
    "CenterLoss",
    "MeanSemanticLoss",
    "OffsetLoss",
    "PixelLoss",
    "SemanticLoss",
    "panoptic_losses",
]
