"""Turns the maps of a panoptic model into segments; pure tensor functions."""

from axial_deeplab.postprocess.instances import instance_lists
from axial_deeplab.postprocess.panoptic import panoptic_prediction
from axial_deeplab.postprocess.settings import (
    COMPILED_OP_RULES,
    PanopticRules,
    PanopticSettings,
)

__all__ = [
    "COMPILED_OP_RULES",
    "PanopticRules",
    "PanopticSettings",
    "instance_lists",
    "panoptic_prediction",
]
