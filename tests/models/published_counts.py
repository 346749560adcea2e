"""Trainable parameter counts of DeepLab2's published models."""

from tests.reference import parameter_counts as paper
from tests.reference import published_counts as published

# Counted in the public implementation, and from its description.
_ENCODERS = {
    "resnet_50_unpooled": (
        23_508_032,
        published.resnet_50(paper.imagenet_stem()),
    ),
    "resnet_50_beta": (
        23_631_808,
        published.resnet_50(paper.deeplab_stem(1.0)),
    ),
    "max_deeplab_s": (41_343_424, published.max_deeplab_s()),
    "max_deeplab_l": (136_399_392, published.axial_swidernet(1)),
    "axial_swidernet_1_1_1": (136_399_392, published.axial_swidernet(1)),
    "axial_swidernet_1_1_3": (393_935_520, published.axial_swidernet(3)),
    "axial_swidernet_1_1_4.5": (570_346_912, published.axial_swidernet(4.5)),
}
_ASPP = ("resnet_50_unpooled", "resnet_50_beta")
_DECODER, _ASPP_DECODER = 1_445_062, 31_465_670  # of 19 classes

PUBLISHED_BACKBONE_COUNTS = {
    f"{prefix}{name}": count
    for name, (count, _) in _ENCODERS.items()
    for prefix in ("", "panoptic_deeplab_")
}
PUBLISHED_COUNTS = [
    (name, {}, count + 2_049_000, published.classifier(described))
    for name, (count, described) in _ENCODERS.items()
] + [
    (
        f"panoptic_deeplab_{name}",
        {"num_classes": 19},
        count + (_ASPP_DECODER if name in _ASPP else _DECODER),
        described + published.decoder(19, with_aspp=name in _ASPP),
    )
    for name, (count, described) in _ENCODERS.items()
]
