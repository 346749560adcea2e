"""Losses."""

from axial_deeplab.losses.panoptic_loss import (
    CenterLoss,
    OffsetLoss,
    PixelLoss,
    SemanticLoss,
    panoptic_losses,
)

__all__ = [
    "CenterLoss",
    "OffsetLoss",
    "PixelLoss",
    "SemanticLoss",
    "panoptic_losses",
]
