"""The version, importable without TensorFlow (packaging reads it)."""

__version__ = "0.1.0"
