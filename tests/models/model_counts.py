"""Trainable parameter counts of every model name, and what they follow from."""

import functools

from tests.models.axial_vit_counts import (
    AXIAL_VIT_BACKBONE_COUNTS,
    AXIAL_VIT_COUNTS,
)
from tests.models.published_counts import (
    PUBLISHED_BACKBONE_COUNTS,
    PUBLISHED_COUNTS,
)
from tests.reference import parameter_counts as paper
from tests.reference import segnext_counts as segnext
from tests.reference.parameter_counts import BLOCKS_26, BLOCKS_38, BLOCKS_50

BLOCKS_101, BLOCKS_XS = (3, 4, 23, 3), (1, 1, 2, 1)
CITYSCAPES, AXIAL = {"num_classes": 19}, {"decoder": "axial"}
STRIDE_32, ASPP = {"output_stride": 32}, {"aspp": True}


def _conv(blocks):
    return paper.classifier(blocks, 1.0, block=paper.convolutional_block)


def _full(blocks, width):
    return paper.classifier(blocks, width, paper.attention_stem(width))


_pooled = paper.pooled_axial_resnet


def _windows(width):
    return paper.classifier(BLOCKS_50, width, block=paper.ps_attention_block)


def _sasa(blocks, with_stem=False):
    stem = paper.sasa_stem() if with_stem else None
    return paper.classifier(blocks, 1.0, stem, paper.sasa_block)


def _panoptic_windows(block, **options):
    return paper.panoptic_deeplab(BLOCKS_50, 19, block, **options)


_xs_block = functools.partial(paper.axial_block, heads=4)


def _xs_classifier(stem):
    return paper.classifier(BLOCKS_XS, 0.25, stem, _xs_block)


def _xs(classes):
    stages = paper.backbone(BLOCKS_XS, 0.25, paper.deeplab_stem(0.5), _xs_block)
    levels = paper.stage_channels(0.25)
    return stages + paper.dual_decoder(levels, classes, filters=(128, 64))


# Name, options, count, and the same counted from the paper's description. The
# counts are those behind arXiv:2003.07853, Tables 1, 6, 9 and 10, where
# relative position tables have 509 rows and every norm counts; those of SegNeXt
# are behind arXiv:2209.08575, Tables 2, 3 and 5.
COUNTS = [
    ("resnet_26", {}, 13_696_552, _conv(BLOCKS_26)),
    ("resnet_38", {}, 19_626_792, _conv(BLOCKS_38)),
    ("resnet_50", {}, 25_557_032, _conv(BLOCKS_50)),
    ("resnet_101", {}, 44_549_160, _conv(BLOCKS_101)),
    (
        "axial_resnet_xs",
        {},
        1_760_824,
        _xs_classifier(paper.imagenet_stem()),
    ),
    ("axial_resnet_26_s", {}, 6_389_704, paper.classifier(BLOCKS_26, 0.5)),
    ("axial_resnet_26_m", {}, 13_197_720, paper.classifier(BLOCKS_26, 0.75)),
    ("axial_resnet_26_l", {}, 22_418_280, paper.classifier(BLOCKS_26, 1.0)),
    ("axial_resnet_s", {}, 12_491_912, paper.classifier(BLOCKS_50, 0.5)),
    ("axial_resnet_m", {}, 26_528_568, paper.classifier(BLOCKS_50, 0.75)),
    ("axial_resnet_l", {}, 45_763_048, paper.classifier(BLOCKS_50, 1.0)),
    (
        "axial_resnet_l",
        {"width": 0.375},
        7_422_768,
        paper.classifier(BLOCKS_50, 0.375),
    ),
    ("axial_resnet_xl", {}, 174_679_208, paper.classifier(BLOCKS_50, 2.0)),
    (
        "full_axial_resnet_xs",
        {},
        1_783_912,
        _xs_classifier(paper.attention_stem(0.25, _xs_block)),
    ),
    ("full_axial_resnet_26_s", {}, 6_429_944, _full(BLOCKS_26, 0.5)),
    ("full_axial_resnet_26_m", {}, 13_288_816, _full(BLOCKS_26, 0.75)),
    ("full_axial_resnet_26_l", {}, 22_577_640, _full(BLOCKS_26, 1.0)),
    ("full_axial_resnet_s", {}, 12_532_152, _full(BLOCKS_50, 0.5)),
    ("full_axial_resnet_m", {}, 26_619_664, _full(BLOCKS_50, 0.75)),
    ("full_axial_resnet_l", {}, 45_922_408, _full(BLOCKS_50, 1.0)),
    ("pooled_axial_resnet_26_s", {}, 5_944_936, _pooled(BLOCKS_26, 0.5)),
    ("pooled_axial_resnet_s", {}, 11_586_216, _pooled(BLOCKS_50, 0.5)),
    ("pooled_axial_resnet_m", {}, 25_179_400, _pooled(BLOCKS_50, 0.75)),
    ("pooled_axial_resnet_l", {}, 43_973_480, _pooled(BLOCKS_50, 1.0)),
    ("ps_attention_resnet_50", {}, 18_053_088, _windows(1.0)),
    ("ps_attention_resnet_50", {"width": 0.5}, 5_062_148, _windows(0.5)),
    ("ps_attention_resnet_50", {"width": 0.75}, 10_565_106, _windows(0.75)),
    ("ps_attention_resnet_50", {"width": 1.25}, 27_526_094, _windows(1.25)),
    ("ps_attention_resnet_50", {"width": 1.5}, 38_984_124, _windows(1.5)),
    ("sasa_resnet_26", {}, 10_342_632, _sasa(BLOCKS_26)),
    ("sasa_resnet_38", {}, 14_190_632, _sasa(BLOCKS_38)),
    ("sasa_resnet_50", {}, 18_038_632, _sasa(BLOCKS_50)),
    (
        "sasa_resnet_50_bn",
        {},
        18_061_800,
        paper.classifier(BLOCKS_50, 1.0, block=paper.sasa_norm_block),
    ),
    ("sasa_resnet_26_attention_stem", {}, 10_334_568, _sasa(BLOCKS_26, True)),
    ("sasa_resnet_38_attention_stem", {}, 14_182_568, _sasa(BLOCKS_38, True)),
    ("sasa_resnet_50_attention_stem", {}, 18_030_568, _sasa(BLOCKS_50, True)),
    ("xception_71", {}, 42_338_736, paper.xception() + 1000 * 2049),
    ("axial_deeplab_xs", {}, 1_499_497, _xs(134)),
    (
        "axial_deeplab_s",
        CITYSCAPES,
        12_187_270,
        paper.axial_deeplab(0.5, 19),
    ),
    ("axial_deeplab_s", {}, 12_216_825, paper.axial_deeplab(0.5)),
    (
        "axial_deeplab_s",
        CITYSCAPES | ASPP | STRIDE_32,
        15_439_302,
        paper.axial_deeplab(0.5, 19, with_aspp=True, output_stride=32),
    ),
    (
        "axial_deeplab_m",
        CITYSCAPES,
        25_995_878,
        paper.axial_deeplab(0.75, 19),
    ),
    ("axial_deeplab_l", CITYSCAPES, 45_022_278, paper.axial_deeplab(1.0, 19)),
    (
        "axial_deeplab_l",
        CITYSCAPES | STRIDE_32,
        45_358_470,
        paper.axial_deeplab(1.0, 19, output_stride=32),
    ),
    (
        "axial_deeplab_l",
        CITYSCAPES | AXIAL,
        45_508_902,
        paper.axial_deeplab(1.0, 19, paper.axial_decoder),
    ),
    (
        "axial_deeplab_l",
        CITYSCAPES | AXIAL | STRIDE_32,
        46_003_654,
        paper.axial_deeplab(1.0, 19, paper.axial_decoder, output_stride=32),
    ),
    (
        "axial_deeplab_xl",
        CITYSCAPES,
        173_305_798,
        paper.axial_deeplab(2.0, 19),
    ),
    (
        "panoptic_deeplab_resnet50",
        CITYSCAPES,
        24_812_166,
        paper.panoptic_deeplab(BLOCKS_50, 19),
    ),
    (
        "panoptic_deeplab_resnet50",
        CITYSCAPES | ASPP,
        30_066_822,
        paper.panoptic_deeplab(BLOCKS_50, 19, with_aspp=True),
    ),
    (
        "panoptic_deeplab_resnet101",
        CITYSCAPES,
        43_804_294,
        paper.panoptic_deeplab(BLOCKS_101, 19),
    ),
    (
        "panoptic_deeplab_attention",
        CITYSCAPES,
        17_293_766,
        _panoptic_windows(paper.sasa_block),
    ),
    (
        "panoptic_deeplab_attention",
        CITYSCAPES | ASPP,
        22_548_422,
        _panoptic_windows(paper.sasa_block, with_aspp=True),
    ),
    (
        "panoptic_deeplab_ps_attention",
        CITYSCAPES,
        17_308_222,
        _panoptic_windows(paper.ps_attention_block),
    ),
    (
        "panoptic_deeplab_ps_attention",
        CITYSCAPES | ASPP,
        22_562_878,
        _panoptic_windows(paper.ps_attention_block, with_aspp=True),
    ),
    (
        "panoptic_deeplab_xception71",
        CITYSCAPES,
        46_745_486,
        paper.xception_deeplab(19),
    ),
    ("mscan_t", {}, 4_160_584, segnext.classifier(*segnext.TINY)),
    ("mscan_s", {}, 13_963_176, segnext.classifier(*segnext.SMALL)),
    ("mscan_b", {}, 26_790_824, segnext.classifier(*segnext.BASE)),
    ("mscan_l", {}, 45_149_864, segnext.classifier(*segnext.LARGE)),
    ("segnext_t", {}, 4_263_414, segnext.segnext(*segnext.TINY)),
    ("segnext_s", {}, 13_932_886, segnext.segnext(*segnext.SMALL)),
    ("segnext_b", {}, 27_636_310, segnext.segnext(*segnext.BASE)),
    ("segnext_l", {}, 48_926_550, segnext.segnext(*segnext.LARGE)),
    *AXIAL_VIT_COUNTS,
    *PUBLISHED_COUNTS,
]

# Other numbers of classes: COCO with void, and Mapillary Vistas.
CLASS_COUNTS = [
    ("axial_deeplab_m", 134, 26_025_433, 0.75),
    ("axial_deeplab_l", 134, 45_051_833, 1.0),
    ("axial_deeplab_l", 65, 45_034_100, 1.0),
    ("axial_deeplab_xl", 134, 173_335_353, 2.0),
]

# The same of the backbones alone.
BACKBONE_COUNTS = {
    "resnet_26": 11_647_552,
    "resnet_38": 17_577_792,
    "resnet_50": 23_508_032,
    "resnet_101": 42_500_160,
    "axial_resnet_xs": 1_247_824,
    "axial_resnet_26_s": 5_364_704,
    "axial_resnet_26_m": 11_660_720,
    "axial_resnet_26_l": 20_369_280,
    "axial_resnet_s": 11_466_912,
    "axial_resnet_m": 24_991_568,
    "axial_resnet_l": 43_714_048,
    "axial_resnet_xl": 170_582_208,
    "full_axial_resnet_xs": 1_270_912,
    "full_axial_resnet_26_s": 5_404_944,
    "full_axial_resnet_26_m": 11_751_816,
    "full_axial_resnet_26_l": 20_528_640,
    "full_axial_resnet_s": 11_507_152,
    "full_axial_resnet_m": 25_082_664,
    "full_axial_resnet_l": 43_873_408,
    "pooled_axial_resnet_26_s": 4_919_936,
    "pooled_axial_resnet_s": 10_561_216,
    "pooled_axial_resnet_m": 23_642_400,
    "pooled_axial_resnet_l": 41_924_480,
    "ps_attention_resnet_50": 16_004_088,
    "sasa_resnet_26": 8_293_632,
    "sasa_resnet_38": 12_141_632,
    "sasa_resnet_50": 15_989_632,
    "sasa_resnet_50_bn": 16_012_800,
    "sasa_resnet_26_attention_stem": 8_285_568,
    "sasa_resnet_38_attention_stem": 12_133_568,
    "sasa_resnet_50_attention_stem": 15_981_568,
    "xception_71": 40_289_736,
    "axial_deeplab_xs": 1_267_056,
    "axial_deeplab_s": 11_486_144,
    "axial_deeplab_m": 25_055_136,
    "axial_deeplab_l": 43_841_920,
    "axial_deeplab_xl": 171_166_976,
    "panoptic_deeplab_resnet50": 23_631_808,
    "panoptic_deeplab_resnet101": 42_623_936,
    "panoptic_deeplab_attention": 16_113_408,
    "panoptic_deeplab_ps_attention": 16_127_864,
    "panoptic_deeplab_xception71": 40_289_736,
    "mscan_t": 3_903_584,
    "mscan_s": 13_450_176,
    "mscan_b": 26_277_824,
    "mscan_l": 44_636_864,
    "segnext_t": 3_903_584,
    "segnext_s": 13_450_176,
    "segnext_b": 26_277_824,
    "segnext_l": 44_636_864,
    **AXIAL_VIT_BACKBONE_COUNTS,
    **PUBLISHED_BACKBONE_COUNTS,
}
