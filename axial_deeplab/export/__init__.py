"""SavedModels that take images of any size and return segments."""

from axial_deeplab.export.classifiers import export_classifier
from axial_deeplab.export.metadata import ExportMetadata, read_metadata
from axial_deeplab.export.model_card import ModelCard
from axial_deeplab.export.options import ExportOptions
from axial_deeplab.export.panoptic_predictor import PanopticPredictor
from axial_deeplab.export.reuse import Export, load
from axial_deeplab.export.saved_model import export_saved_model
from axial_deeplab.export.semantic_predictor import SemanticPredictor

__all__ = [
    "Export",
    "ExportMetadata",
    "ExportOptions",
    "ModelCard",
    "PanopticPredictor",
    "SemanticPredictor",
    "export_classifier",
    "export_saved_model",
    "load",
    "read_metadata",
]
