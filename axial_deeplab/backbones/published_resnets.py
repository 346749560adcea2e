"""Backbones whose TensorFlow checkpoints are public (DeepLab2's model zoo).

No stem has a pool: the first block of level "2" strides instead. Axial
attention begins in the second block of level "4", and convolutions stand in
front of it (arXiv:2012.00759, arXiv:2106.09748). Wide ResNets have two 3x3
convolutions in each block, but bottlenecks in level "5" (arXiv:2011.11675).
"""

import dataclasses

from axial_deeplab.backbones.resnet import ResNetSpec
from axial_deeplab.layers.mixers import (
    AxialMixer,
    BasicConvs,
    ConvMixer,
    HybridMixer,
    LastLevelMixer,
    SwitchableMixer,
)
from axial_deeplab.layers.stems import (
    unpooled_deeplab_stem,
    unpooled_imagenet_stem,
    wide_stem,
)

_AXIAL = HybridMixer(AxialMixer(expansions=(2, 4)), BasicConvs())
_SWITCHABLE = LastLevelMixer(SwitchableMixer())
_UNPOOLED = ResNetSpec(
    stem=unpooled_deeplab_stem,
    mixer=ConvMixer(),
    stem_stride=2,
    samples=True,
)


def _swidernet(
    layers: float, mixer: HybridMixer | LastLevelMixer
) -> ResNetSpec:
    """Level "1" keeps its three blocks, the others have `layers` times theirs.

    Numbers of blocks are cut, not rounded.
    """
    counts = (int(count * layers) for count in (3, 6, 3, 3))
    return dataclasses.replace(
        _UNPOOLED, blocks=(3, *counts), stem=wide_stem, mixer=mixer
    )


PUBLISHED_RESNETS = {
    "resnet_50_unpooled": dataclasses.replace(
        _UNPOOLED, stem=unpooled_imagenet_stem
    ),
    "resnet_50_beta": _UNPOOLED,
    "max_deeplab_s": dataclasses.replace(_UNPOOLED, mixer=HybridMixer()),
    # Of its stacked decoder nothing reaches the panoptic heads (stacked.py).
    "max_deeplab_l": _swidernet(1, _AXIAL),
    "axial_swidernet_1_1_1": _swidernet(1, _AXIAL),
    "axial_swidernet_1_1_3": _swidernet(3, _AXIAL),
    "axial_swidernet_1_1_4.5": _swidernet(4.5, _AXIAL),
    "wide_resnet_41": _swidernet(1, LastLevelMixer()),
    "swidernet_sac_1_1_1": _swidernet(1, _SWITCHABLE),
    "swidernet_sac_1_1_3": _swidernet(3, _SWITCHABLE),
    "swidernet_sac_1_1_4.5": _swidernet(4.5, _SWITCHABLE),
}
