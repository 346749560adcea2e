"""Keras layers: axial attention and what surrounds it."""
