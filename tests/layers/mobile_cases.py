"""Small cases of the layers of MobileNetV3 and SWideRNet for `check_layer`."""

import tensorflow as tf

from axial_deeplab.backbones.mobilenet import MobileNet
from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.layers.inverted_residual import (
    InvertedOptions,
    InvertedResidual,
    SqueezeExcite,
)
from axial_deeplab.layers.switchable_conv import (
    SwitchableConv,
    SwitchableConvNorm,
)
from tests.layers.layer_inputs import features, images


def _inverted(channels: int, stride: int = 1, **options) -> InvertedResidual:
    inside = InvertedOptions(8, 3, residual=stride == 1, **options)
    return InvertedResidual(channels, inside, stride)


def _mobilenet() -> MobileNet:
    first = ConvNormAct(6, 3, stride=2, activation="hard_swish")
    blocks = [_inverted(6), _inverted(5, stride=2)]
    levels = {"2": [first, blocks[0]], "5": [blocks[1], ConvNormAct(7)]}
    return MobileNet(None, levels)


def _map() -> tf.Tensor:
    return features(2, 6, 7, 6)


MOBILE_CASES = {
    InvertedResidual: lambda: (
        _inverted(6, gated=True, activation="hard_swish"),
        _map(),
        tf.bfloat16,
    ),
    MobileNet: lambda: (_mobilenet(), images(17, 20), tf.bfloat16),
    SqueezeExcite: lambda: (SqueezeExcite(4), _map(), tf.bfloat16),
    SwitchableConv: lambda: (
        SwitchableConv(4, dilation=2),
        _map(),
        tf.bfloat16,
    ),
    SwitchableConvNorm: lambda: (SwitchableConvNorm(4), _map(), tf.bfloat16),
}
