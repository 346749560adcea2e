"""Trainable scalars of the models, counted from the paper's descriptions.

Convolutions have no bias, batch norms a gain and an offset per channel, and
every attention three position tables of 509 rows that its heads share.
"""

TABLE_ROWS = 2 * 255 - 1
BLOCKS_26, BLOCKS_38, BLOCKS_50 = (1, 2, 4, 1), (2, 3, 5, 2), (3, 4, 6, 3)


def convolution(channels, filters, size=1):
    """Kernel and norm."""
    return size**2 * channels * filters + 2 * filters


def separable(channels, filters, size=5):
    """Depthwise kernel and norm, then 1x1 kernel and norm."""
    return size**2 * channels + 2 * channels + convolution(channels, filters)


def attention(channels, width, heads=8, rows=TABLE_ROWS):
    """One axis at stage width f: queries and keys of f, values of 2f."""
    projections = width + width + 2 * width
    kernel = channels * projections
    tables = rows * projections // heads
    norms = 2 * projections + 2 * 3 * heads + 2 * 2 * (2 * width)
    return kernel + tables + norms


def axial_block(channels, width, heads=8, rows=TABLE_ROWS):
    """1x1, height, width, 1x1; a 1x1 shortcut where channels change."""
    count = convolution(channels, 2 * width)
    count += 2 * attention(2 * width, width, heads, rows)
    count += convolution(2 * width, 4 * width)
    if channels != 4 * width:
        count += convolution(channels, 4 * width)
    return count


def convolutional_block(channels, width):
    """1x1, 3x3, 1x1; a 1x1 shortcut where channels change."""
    count = convolution(channels, width) + convolution(width, width, 3)
    count += convolution(width, 4 * width)
    if channels != 4 * width:
        count += convolution(channels, 4 * width)
    return count


def ps_attention_block(channels, width, heads=8, window=7):
    """1x1, Eq. 3 in windows with q = k = v = f and its norms, 1x1, shortcut."""
    tables = 3 * window * width // heads
    norms = 2 * 3 * width + 2 * 3 * heads + 2 * 2 * width
    return _local_block(channels, width) + tables + norms


def sasa_block(channels, width, window=7):
    """1x1, Eq. 2 with embeddings for each head, its norm, 1x1, shortcut."""
    return _local_block(channels, width) + window * width + 2 * width


def sasa_norm_block(channels, width, heads=8):
    """The same with norms of q, k and v, and of two terms in each head."""
    norms = 2 * 3 * width + 2 * 2 * heads
    return sasa_block(channels, width) + norms


def _local_block(channels, width):
    count = convolution(channels, width) + 3 * width**2
    count += convolution(width, 4 * width)
    if channels != 4 * width:
        count += convolution(channels, 4 * width)
    return count


def sasa_stem(channels=64, heads=4, mixtures=4):
    """Count and channels: q, k, mixed v, embeddings of 4 rows and 4 columns."""
    kernels = (2 + mixtures) * 3 * channels
    embeddings = (4 + 4 + mixtures) * channels // heads
    return kernels + embeddings + 2 * channels, channels


def imagenet_stem():
    """Count and channels of the 7x7 stem, which is never scaled."""
    return convolution(3, 64, 7), 64


def deeplab_stem(width):
    """Count and channels of the stem of three 3x3 convolutions."""
    narrow, wide = round(64 * width), round(128 * width)
    count = convolution(3, narrow, 3) + convolution(narrow, narrow, 3)
    return count + convolution(narrow, wide, 3), wide


def attention_stem(width, block=axial_block):
    """Count and channels of three axial blocks of stage width 32w."""
    stage_width = round(32 * width)
    channels = 4 * stage_width
    count = block(3, stage_width)
    return count + 2 * block(channels, stage_width), channels


def stage_channels(width):
    """Output channels of the four stages."""
    return [4 * round(64 * width * 2**stage) for stage in range(4)]


def backbone(blocks, width, stem, block=axial_block):
    """Stem and four stages of widths 64w, 128w, 256w and 512w."""
    count, channels = stem
    for number, filters in zip(blocks, stage_channels(width), strict=True):
        for _ in range(number):
            count += block(channels, filters // 4)
            channels = filters
    return count


def classifier(blocks, width, stem=None, block=axial_block, classes=1000):
    """A ResNet with its dense layer."""
    dense = classes * (stage_channels(width)[-1] + 1)
    return backbone(blocks, width, stem or imagenet_stem(), block) + dense


def pooled_axial_resnet(blocks, width, classes=1000):
    """Of the authors' PyTorch code: tables of rows of 56, 28, 14 and 7.

    The first block of a stage attends to the map of the one before.
    """
    channels, length = round(64 * width), 56
    count = convolution(3, channels, 7)
    filters = stage_channels(width)
    for stage, number in enumerate(blocks):
        for _ in range(number):
            count += axial_block(
                channels, filters[stage] // 4, rows=2 * length - 1
            )
            channels, length = filters[stage], 56 // 2**stage
    return count + classes * (channels + 1)


XCEPTION_CHANNELS = [256, 728, 728, 2048]


def xception(middle_blocks=16):
    """Xception-71, whose levels end with `XCEPTION_CHANNELS`."""
    count, channels = convolution(3, 32, 3) + convolution(32, 64, 3), 64
    for filters in (128, 256, 256, 728, 728):
        count += convolution(channels, filters)
        count += separable_chain(channels, [filters] * 3)
        channels = filters
    count += middle_blocks * separable_chain(728, [728] * 3)
    count += separable_chain(728, [728, 1024, 1024]) + convolution(728, 1024)
    return count + separable_chain(1024, [1536, 1536, 2048])


def separable_chain(channels, filters):
    """3x3 separable convolutions, one after the other."""
    count = 0
    for following in filters:
        count += separable(channels, following, 3)
        channels = following
    return count


def aspp(channels, filters=256):
    """1x1, three separable 3x3, pooled 1x1, and the projection of all five."""
    count = 2 * convolution(channels, filters)
    count += 3 * separable(channels, filters, 3)
    return count + convolution(5 * filters, filters)


def decoder(levels, filters, projections, with_aspp=False):
    """One branch; `projections` are (stage, channels), coarse first."""
    channels, count = levels[-1], 0
    if with_aspp:
        count, channels = aspp(channels), 256
    for stage, projected in projections:
        count += convolution(levels[stage], projected)
        count += separable(channels + projected, filters)
        channels = filters
    return count


def head(channels, filters, outputs):
    """5x5 separable, then 1x1 with bias and no norm."""
    return separable(channels, filters) + (filters + 1) * outputs


def heads(filters, classes, middle=256):
    """The three heads behind branches of these (semantic, instance) sizes."""
    return (
        head(filters[0], middle, classes)
        + head(filters[1], 32, 1)
        + head(filters[1], 32, 2)
    )


def dual_decoder(
    levels, classes, with_aspp=False, output_stride=16, filters=(256, 128)
):
    """Both decoders and the three heads; `levels` are channels, fine first."""
    semantic, instance = [(1, 64), (0, 32)], [(1, 32), (0, 16)]
    if output_stride == 32:
        semantic, instance = [(2, 128), *semantic], [(2, 64), *instance]
    return (
        decoder(levels, filters[0], semantic, with_aspp)
        + decoder(levels, filters[1], instance, with_aspp)
        + heads(filters, classes, filters[0])
    )


def axial_decoder(levels, classes, output_stride=16):
    """Shared blocks of 256, one of 128 and one of 64, and the three heads."""
    stages = [1, 0] if output_stride == 16 else [2, 1, 0]
    count, channels = 0, levels[-1]
    for stage in stages:
        count += axial_decoder_block(channels, levels[stage], 256)
        channels = 256
    count += axial_decoder_block(channels, levels[0], 128)
    count += axial_decoder_block(channels, levels[0], 64)
    return count + heads((128, 64), classes)


def axial_decoder_block(channels, encoder, filters):
    """An axial block that also reads the 1x1 of an encoder level."""
    width = filters // 4
    count = axial_block(channels, width) + convolution(encoder, filters)
    return count + filters * 4 * width  # more inputs of the height attention


def axial_deeplab(width, classes=134, decoder=dual_decoder, **options):
    """The 50-layer models of Table 6."""
    stages = backbone(BLOCKS_50, width, deeplab_stem(width))
    return stages + decoder(stage_channels(width), classes, **options)


def panoptic_deeplab(blocks, classes=134, block=convolutional_block, **options):
    """ResNets of width 1."""
    stages = backbone(blocks, 1.0, deeplab_stem(1.0), block)
    return stages + dual_decoder(stage_channels(1.0), classes, **options)


def xception_deeplab(classes=134, with_aspp=True):
    """Xception-71 with an ASPP in both branches."""
    return xception() + dual_decoder(XCEPTION_CHANNELS, classes, with_aspp)
