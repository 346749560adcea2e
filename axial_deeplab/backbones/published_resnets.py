"""Backbones whose TensorFlow checkpoints are public (DeepLab2's model zoo).

No stem has a pool: the first block of level "2" strides instead. Axial
attention begins in the second block of level "4", and convolutions stand in
front of it (arXiv:2012.00759, arXiv:2106.09748).
"""

import dataclasses

from axial_deeplab.backbones.resnet import ResNetSpec
from axial_deeplab.layers.mixers import (
    AxialMixer,
    BasicConvs,
    ConvMixer,
    HybridMixer,
)
from axial_deeplab.layers.stems import (
    unpooled_deeplab_stem,
    unpooled_imagenet_stem,
    wide_stem,
)

_WIDE = HybridMixer(AxialMixer(expansions=(2, 4)), BasicConvs())
_UNPOOLED = ResNetSpec(
    stem=unpooled_deeplab_stem,
    mixer=ConvMixer(),
    stem_stride=2,
    samples=True,
)


def _axial_swidernet(layers: float) -> ResNetSpec:
    """Level "1" keeps its three blocks, the others have `layers` times theirs.

    Numbers of blocks are cut, not rounded.
    """
    counts = (int(count * layers) for count in (3, 6, 3, 3))
    return dataclasses.replace(
        _UNPOOLED, blocks=(3, *counts), stem=wide_stem, mixer=_WIDE
    )


PUBLISHED_RESNETS = {
    "resnet_50_unpooled": dataclasses.replace(
        _UNPOOLED, stem=unpooled_imagenet_stem
    ),
    "resnet_50_beta": _UNPOOLED,
    "max_deeplab_s": dataclasses.replace(_UNPOOLED, mixer=HybridMixer()),
    # Of its stacked decoder nothing reaches the panoptic heads.
    "max_deeplab_l": _axial_swidernet(1),
    "axial_swidernet_1_1_1": _axial_swidernet(1),
    "axial_swidernet_1_1_3": _axial_swidernet(3),
    "axial_swidernet_1_1_4.5": _axial_swidernet(4.5),
}
