"""Trainable scalars of DeepLab2's published models, from their descriptions."""

import math

from tests.reference import parameter_counts as paper
from tests.reference.deeplab2_keys import encoder_shapes
from tests.reference.parameter_counts import convolution

HEADS = 8


def basic_block(channels, filters):
    """3x3, 3x3; a 1x1 shortcut where channels change."""
    count = convolution(channels, filters, 3) + convolution(filters, filters, 3)
    return count + _shortcut(channels, filters)


def axial_block(channels, filters, keys, values):
    """1x1 to the values, height, width, 1x1; a 1x1 shortcut."""
    count = convolution(channels, values) + convolution(values, filters)
    projections = 2 * keys + values
    attention = values * projections + paper.TABLE_ROWS * projections // HEADS
    attention += 2 * projections + 2 * 3 * HEADS + 2 * 2 * values
    return count + 2 * attention + _shortcut(channels, filters)


def _shortcut(channels, filters):
    return convolution(channels, filters) if channels != filters else 0


def resnet_50(stem):
    """Bottlenecks behind a stem."""
    return paper.backbone(paper.BLOCKS_50, 1.0, stem, paper.convolutional_block)


def max_deeplab_s():
    """ResNet-50-beta; attention from the second block of the third stage."""
    count, channels = paper.deeplab_stem(1.0)
    for stage, number in enumerate(paper.BLOCKS_50):
        width = 64 * 2**stage
        for index in range(number):
            if (stage, index) > (2, 0):
                block = axial_block(channels, 4 * width, width, 2 * width)
            else:
                block = paper.convolutional_block(channels, width)
            count, channels = count + block, 4 * width
    return count


def axial_swidernet(layers):
    """Basic blocks; wider attention from the second block of stage four."""
    count, channels = convolution(3, 64, 3), 64
    blocks = (3, *(int(number * layers) for number in (3, 6, 3, 3)))
    for stage, number in enumerate(blocks):
        width = 32 * 2**stage
        for index in range(number):
            if (stage, index) > (3, 0):
                block = axial_block(channels, 4 * width, 2 * width, 4 * width)
            else:
                block = basic_block(channels, 4 * width)
            count, channels = count + block, 4 * width
    return count


def wide_bottleneck(channels, width):
    """1x1, 3x3 to twice the width, 1x1."""
    count = convolution(channels, width) + convolution(width, 2 * width, 3)
    count += convolution(2 * width, 4 * width)
    return count + _shortcut(channels, 4 * width)


def switch(width, with_switch=True):
    """What a switchable convolution has beside: contexts, and the switch."""
    contexts = width * (width + 1) + 2 * width * (2 * width + 1)
    return contexts + (width + 1 if with_switch else 0)


def wide_resnet(layers, switchable=False, output_stride=16):
    """Basic blocks; bottlenecks in stage five, where a stride is plain."""
    count, channels = convolution(3, 64, 3), 64
    blocks = (3, *(int(number * layers) for number in (3, 6, 3, 3)))
    for stage, number in enumerate(blocks):
        width = 32 * 2**stage
        for index in range(number):
            if stage < 4:
                count += basic_block(channels, 4 * width)
            else:
                count += wide_bottleneck(channels, width)
            if stage == 4 and switchable:
                strided = index == 0 and output_stride == 32
                count += switch(width, not strided)
            channels = 4 * width
    return count


def mobilenet(name):
    """The trainable ones among the keys of its checkpoint."""
    shapes = encoder_shapes(name).items()
    return sum(math.prod(s) for key, s in shapes if "/moving_" not in key)


def classifier(encoder, classes=1000, channels=2048):
    """With a dense layer."""
    return encoder + classes * (channels + 1)


def decoder(classes, with_aspp=False, channels=2048, levels=(512, 256)):
    """Two branches on levels 3 and 2, and three heads.

    The pyramid has plain 3x3 convolutions; without one, a 1x1 convolution.
    """
    count = 0
    for low, filters in (((64, 32), 256), ((32, 16), 128)):
        count += _context(channels, with_aspp)
        below = 256
        for level, projected in zip(levels, low, strict=True):
            count += convolution(level, projected)
            count += paper.separable(below + projected, filters)
            below = filters
    return count + paper.heads((256, 128), classes)


def _context(channels, with_aspp):
    if not with_aspp:
        return convolution(channels, 256)
    count = 2 * convolution(channels, 256) + 3 * convolution(channels, 256, 3)
    return count + convolution(5 * 256, 256)
