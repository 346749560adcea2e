"""Decoders: backbone features to one fine feature map."""
