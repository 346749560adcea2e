"""Trainable scalars of MSCAN and SegNeXt, from arXiv:2209.08575's layers."""

RATIOS = (8, 8, 4, 4)
STRIPS = (7, 11, 21)
# Places of depthwise kernels: 5x5 and pairs of strips, or a dilated 7x7.
MULTI_SCALE = [25, *(n for length in STRIPS for n in (length, length))]
LARGE_KERNEL = [25, 49]


def convolution(channels, filters, kernel=1, bias=True):
    """`kernel` counts its places."""
    return kernel * channels * filters + bias * filters


def depthwise(channels, kernel):
    return convolution(1, channels, kernel)


def norm(channels):
    return 2 * channels


def attention(channels, kernels):
    """Between norm and scale; `kernels` are the places of depthwise ones."""
    pointwise = 3 * convolution(channels, channels)  # before, mix, after
    return pointwise + sum(depthwise(channels, k) for k in kernels)


def block(channels, ratio, kernels):
    inside = ratio * channels
    feed = convolution(channels, inside) + depthwise(inside, 9)
    feed += convolution(inside, channels)
    scales = 2 * channels
    return 2 * norm(channels) + attention(channels, kernels) + feed + scales


def mscan(channels, blocks, kernels=MULTI_SCALE):
    """Encoder without a classifier; `kernels` as in `attention`."""
    count, before = 0, [3, channels[0] // 2]
    pairs = [*zip(before, [before[1], channels[0]], strict=True)]
    pairs += zip(channels, channels[1:], strict=False)
    for source, filters in pairs:
        count += convolution(source, filters, 9) + norm(filters)
    for filters, depth, ratio in zip(channels, blocks, RATIOS, strict=True):
        count += depth * block(filters, ratio, kernels) + norm(filters)
    return count


def hamburger(width):
    """A 1x1 convolution with bias, one without, and a norm."""
    below = convolution(width, width)
    return below + convolution(width, width, bias=False) + norm(width)


def head(channels, width, classes, context):
    """Squeeze, context, align and classes; `channels` of the levels."""
    count = convolution(sum(channels), width, bias=False) + norm(width)
    count += context + convolution(width, width, bias=False) + norm(width)
    return count + convolution(width, classes)


def segnext(channels, blocks, width, classes=150):
    """With the light Hamburger on levels of stride 8, 16 and 32."""
    stages = mscan(channels, blocks)
    return stages + head(channels[1:], width, classes, hamburger(width))


NARROW, WIDE = (32, 64, 160, 256), (64, 128, 320, 512)
# Table 2: channels, blocks, width of the decoder.
TINY = (NARROW, (3, 3, 5, 2), 256)
SMALL = (WIDE, (2, 2, 4, 2), 256)
BASE = (WIDE, (3, 3, 12, 3), 512)
LARGE = (WIDE, (3, 5, 27, 3), 1024)


def classifier(channels, blocks, width, classes=1000):
    """Of the encoder of a row."""
    del width
    return mscan(channels, blocks) + convolution(channels[-1], classes)
