"""Axial attention and bottom-up panoptic segmentation for TensorFlow 2.

Importing the package registers its layers and models with tf_keras, so that
saved models load without custom objects.
"""

from axial_deeplab import losses
from axial_deeplab.models.presets import create_model, list_models
from axial_deeplab.version import __version__

__all__ = ["__version__", "create_model", "list_models", "losses"]
