"""Trainable parameter counts of DeepLab2's published models."""

from typing import NamedTuple

from tests.reference import parameter_counts as paper
from tests.reference import published_counts as published


class _Encoder(NamedTuple):
    """Counted in the public implementation, and from its description.

    Channels of the levels "3", "2" and "5"; `more` is what the classifier, at
    output stride 32, has more.
    """

    count: int
    described: int
    levels: tuple[int, int] = (512, 256)
    channels: int = 2048
    more: int = 0
    aspp: bool = True


def _axial(count, described):
    return _Encoder(count, described, aspp=False)


def _switchable(count, layers):
    # A strided block is plain: it has no switch of 512 channels.
    described = published.wide_resnet(layers, switchable=True)
    strided = published.wide_resnet(layers, True, output_stride=32)
    return _Encoder(count, described, more=strided - described)


def _mobile(count, size, levels, channels):
    name = f"mobilenet_v3_{size}"
    return _Encoder(count, published.mobilenet(name), levels, channels)


_ENCODERS = {
    "resnet_50_unpooled": _Encoder(
        23_508_032, published.resnet_50(paper.imagenet_stem())
    ),
    "resnet_50_beta": _Encoder(
        23_631_808, published.resnet_50(paper.deeplab_stem(1.0))
    ),
    "max_deeplab_s": _axial(41_343_424, published.max_deeplab_s()),
    "max_deeplab_l": _axial(136_399_392, published.axial_swidernet(1)),
    "axial_swidernet_1_1_1": _axial(136_399_392, published.axial_swidernet(1)),
    "axial_swidernet_1_1_3": _axial(393_935_520, published.axial_swidernet(3)),
    "axial_swidernet_1_1_4.5": _axial(
        570_346_912, published.axial_swidernet(4.5)
    ),
    "wide_resnet_41": _Encoder(109_014_080, published.wide_resnet(1)),
    "swidernet_sac_1_1_1": _switchable(112_952_387, 1),
    "swidernet_sac_1_1_3": _switchable(345_060_425, 3),
    "swidernet_sac_1_1_4.5": _switchable(504_519_757, 4.5),
    "mobilenet_v3_small": _mobile(927_008, "small", (88, 16), 576),
    "mobilenet_v3_large": _mobile(2_971_952, "large", (120, 72), 960),
}
# Of 19 classes, in the public implementation.
_DECODERS = {
    "mobilenet_v3_small": 10_484_198 - 927_008,
    "mobilenet_v3_large": 18_236_534 - 2_971_952,
}
_DECODER, _ASPP_DECODER = 1_445_062, 31_465_670


def _decoder(name):
    plain = _ASPP_DECODER if _ENCODERS[name].aspp else _DECODER
    return _DECODERS.get(name, plain)


PUBLISHED_BACKBONE_COUNTS = {
    name: one.count + one.more for name, one in _ENCODERS.items()
} | {f"panoptic_deeplab_{name}": one.count for name, one in _ENCODERS.items()}
PUBLISHED_COUNTS = [
    (
        name,
        {},
        one.count + one.more + 1000 * (one.channels + 1),
        published.classifier(one.described + one.more, channels=one.channels),
    )
    for name, one in _ENCODERS.items()
] + [
    (
        f"panoptic_deeplab_{name}",
        {"num_classes": 19},
        one.count + _decoder(name),
        one.described
        + published.decoder(19, one.aspp, one.channels, one.levels),
    )
    for name, one in _ENCODERS.items()
]
