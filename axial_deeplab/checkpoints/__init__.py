"""Weights that others have published: their files, and what becomes of them."""
