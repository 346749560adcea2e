"""Backbones: images to {level: feature}."""
