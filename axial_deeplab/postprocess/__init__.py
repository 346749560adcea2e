"""Predictions to panoptic maps."""
