"""ResNets of two-dimensional attention instead of 3x3 convolutions.

Position-sensitive (arXiv:2003.07853, Tables 1 and 10: "PS-Attention") and
stand-alone (arXiv:1906.05909, Table 1, with the stem of ResNet or its own).
Attention runs at the resolution of its input; a stride is average pooling
behind it.
"""

import dataclasses

from axial_deeplab.backbones.resnet import ResNetSpec
from axial_deeplab.layers.attention_options import STAND_ALONE
from axial_deeplab.layers.attention_stem import attention_stem
from axial_deeplab.layers.mixers import LocalMixer

PS_ATTENTION_RESNETS = {
    "ps_attention_resnet_50": ResNetSpec(mixer=LocalMixer())
}

_STAND_ALONE = LocalMixer(options=STAND_ALONE)

SASA_RESNETS = {
    "sasa_resnet_26": ResNetSpec(blocks=(1, 2, 4, 1), mixer=_STAND_ALONE),
    "sasa_resnet_38": ResNetSpec(blocks=(2, 3, 5, 2), mixer=_STAND_ALONE),
    "sasa_resnet_50": ResNetSpec(mixer=_STAND_ALONE),
}
SASA_RESNETS |= {
    f"{name}_attention_stem": dataclasses.replace(row, stem=attention_stem)
    for name, row in SASA_RESNETS.items()
}
# arXiv:2003.07853, Table 1: "BN", batch norms inside the attention.
SASA_RESNETS["sasa_resnet_50_bn"] = ResNetSpec(
    mixer=LocalMixer(options=dataclasses.replace(STAND_ALONE, norms=True))
)
