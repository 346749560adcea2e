"""Trainable scalars of the models, counted from the paper's descriptions.

Convolutions have no bias, batch norms a gain and an offset per channel, and
every attention three position tables of 509 rows that its heads share.
"""

TABLE_ROWS = 2 * 255 - 1


def convolution(channels, filters, size=1):
    """Kernel and norm."""
    return size**2 * channels * filters + 2 * filters


def separable(channels, filters, size=5):
    """Depthwise kernel and norm, then 1x1 kernel and norm."""
    return size**2 * channels + 2 * channels + convolution(channels, filters)


def attention(width, heads):
    """One axis at stage width f: 2f in, queries and keys of f, values of 2f."""
    projections = width + width + 2 * width
    kernel = 2 * width * projections
    tables = TABLE_ROWS * projections // heads
    norms = 2 * projections + 2 * 3 * heads + 2 * 2 * (2 * width)
    return kernel + tables + norms


def block(channels, width, heads):
    """1x1, height, width, 1x1; a 1x1 shortcut where channels change."""
    count = convolution(channels, 2 * width) + 2 * attention(width, heads)
    count += convolution(2 * width, 4 * width)
    if channels != 4 * width:
        count += convolution(channels, 4 * width)
    return count


def imagenet_stem():
    """Count and channels of the 7x7 stem, which is never scaled."""
    return convolution(3, 64, 7), 64


def deeplab_stem(width):
    """Count and channels of the stem of three 3x3 convolutions."""
    narrow, wide = round(64 * width), round(128 * width)
    count = convolution(3, narrow, 3) + convolution(narrow, narrow, 3)
    return count + convolution(narrow, wide, 3), wide


def backbone(blocks, width, stem, heads=8):
    """Stem and four stages of widths 64w, 128w, 256w and 512w."""
    count, channels = stem
    for stage, number in enumerate(blocks):
        stage_width = round(64 * width * 2**stage)
        for _ in range(number):
            count += block(channels, stage_width, heads)
            channels = 4 * stage_width
    return count


def classifier(blocks, width, classes):
    """Axial-ResNet with its dense layer."""
    features = 4 * round(512 * width)
    return backbone(blocks, width, imagenet_stem()) + classes * (features + 1)


def aspp(channels, filters=256):
    """1x1, three separable 3x3, pooled 1x1, and the projection of all five."""
    count = 2 * convolution(channels, filters)
    count += 3 * separable(channels, filters, 3)
    return count + convolution(5 * filters, filters)


def decoder(width, filters, projections, with_aspp=False):
    """One branch; `projections` are (stage, channels), coarse first."""
    channels, count = 4 * round(512 * width), 0
    if with_aspp:
        count, channels = aspp(channels), 256
    for stage, projected in projections:
        low = 4 * round(64 * width * 2**stage)
        count += convolution(low, projected)
        count += separable(channels + projected, filters)
        channels = filters
    return count


def head(channels, filters, outputs):
    """5x5 separable, then 1x1 with bias and no norm."""
    return separable(channels, filters) + (filters + 1) * outputs


def dual_decoder(
    width, classes, with_aspp=False, output_stride=16, filters=(256, 128)
):
    """Both decoders and the three heads."""
    semantic, instance = [(1, 64), (0, 32)], [(1, 32), (0, 16)]
    if output_stride == 32:
        semantic, instance = [(2, 128), *semantic], [(2, 64), *instance]
    return (
        decoder(width, filters[0], semantic, with_aspp)
        + decoder(width, filters[1], instance, with_aspp)
        + head(filters[0], filters[0], classes)
        + head(filters[1], 32, 1)
        + head(filters[1], 32, 2)
    )


def axial_deeplab(width, classes, **options):
    """The 50-layer models of Table 6."""
    stages = backbone((3, 4, 6, 3), width, deeplab_stem(width))
    return stages + dual_decoder(width, classes, **options)
