"""Axial attention and bottom-up panoptic segmentation for TensorFlow 2."""

from axial_deeplab.version import __version__

__all__ = ["__version__"]
