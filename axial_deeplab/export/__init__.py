"""SavedModels that take images of any size and return segments."""

from axial_deeplab.export.metadata import ExportMetadata, read_metadata
from axial_deeplab.export.saved_model import (
    PanopticPredictor,
    export_saved_model,
)

__all__ = [
    "ExportMetadata",
    "PanopticPredictor",
    "export_saved_model",
    "read_metadata",
]
