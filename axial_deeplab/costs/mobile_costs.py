"""The cost of the layers of MobileNetV3 and of switchable convolutions."""

import collections
import math

import tensorflow as tf

from axial_deeplab.costs.charge import Charge, Shape, counts, pixels, size
from axial_deeplab.costs.cost import Cost
from axial_deeplab.layers.inverted_residual import (
    InvertedResidual,
    SqueezeExcite,
)
from axial_deeplab.layers.switchable_conv import SwitchableConv

_RATES = 2


def switchable(layer: SwitchableConv, shape: Shape) -> Charge:
    """The kernel at both atrous rates, the switch, and its two products."""
    sides = (-(-side // layer.stride) for side in shape[1:3])
    output = tf.TensorShape([shape[0], *sides, layer.filters])
    kernel = size(layer.kernel) * pixels(output)
    if layer.stride > 1:
        cost = Cost(kernel, parameters=counts(kernel=[layer.kernel]))
        return Charge(output, cost)
    cost = Cost(
        _RATES * kernel + size(layer.switch_kernel) * pixels(shape),
        collections.Counter(product=_RATES * math.prod(output)),
        counts(
            kernel=[layer.kernel, layer.switch_kernel],
            bias=[layer.switch_bias],
        ),
    )
    return Charge(output, cost)


def channel_gate(layer: SqueezeExcite, output: tf.Tensor) -> Cost:
    """A product per element, beside the cost of the parts."""
    del layer
    elements = collections.Counter(product=math.prod(output.shape))
    return Cost(elements=elements)


def inverted_sum(layer: InvertedResidual, outputs: list[tf.Tensor]) -> Cost:
    """That of the residual, where there is one."""
    if not layer.options.residual:
        return Cost()
    elements = collections.Counter(residual=math.prod(outputs[1].shape))
    return Cost(elements=elements)
