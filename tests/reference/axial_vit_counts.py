"""Trainable scalars of axial vision transformers, layer by layer."""

import itertools

from tests.reference import parameter_counts as paper
from tests.reference import segnext_counts as segnext
from tests.reference.segnext_counts import convolution, norm

HEAD_DEPTH, TABLE_ROWS = 32, 2 * 128 - 1
# Channels and blocks of the levels.
TINY = (32, 64, 128, 256), (2, 2, 4, 2)
SMALL = (64, 128, 256, 512), (2, 2, 6, 2)
BASE = (96, 192, 384, 768), (2, 2, 12, 2)


def attention(channels):
    """Four projections with bias, and a table that all heads share."""
    return 4 * convolution(channels, channels) + TABLE_ROWS * HEAD_DEPTH


def block(channels):
    """Two passes and a feed-forward part, each with a norm."""
    feed = convolution(channels, 4 * channels)
    feed += convolution(4 * channels, channels)
    return 2 * attention(channels) + feed + 3 * norm(channels)


def embedding(channels, filters):
    return convolution(channels, filters, 9) + norm(filters)


def backbone(channels, blocks):
    before = [3, channels[0] // 2, channels[0]]
    pairs = [*itertools.pairwise(before), *itertools.pairwise(channels)]
    count = sum(embedding(*pair) for pair in pairs)
    for filters, depth in zip(channels, blocks, strict=True):
        count += depth * block(filters) + norm(filters)
    return count


def classifier(channels, blocks, classes=1000):
    return backbone(channels, blocks) + convolution(channels[-1], classes)


def panoptic(channels, blocks, classes):
    """With the two decoders of Panoptic-DeepLab."""
    return backbone(channels, blocks) + paper.dual_decoder(channels, classes)


def semantic(channels, blocks, classes=150, width=256):
    """With the decoder of SegNeXt."""
    context = segnext.hamburger(width)
    head = segnext.head(channels[1:], width, classes, context)
    return backbone(channels, blocks) + head
