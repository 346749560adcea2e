"""The cost of the layers of SegNeXt, as its paper's profiler counts.

(arXiv:2209.08575; a multiply-add is one operation there.) Sums, activations,
divisions and the softmax are free; so is what reads no map, like the norm of
the first bases.
"""

import collections
import math

import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.costs.charge import Charge, Shape, counts, pixels, size
from axial_deeplab.costs.cost import Cost
from axial_deeplab.decoders.hamburger_decoder import ContextDecoder
from axial_deeplab.decoders.mlp_decoder import MLPDecoder
from axial_deeplab.layers.criss_cross import CrissCrossAttention
from axial_deeplab.layers.depthwise import DepthwiseConv
from axial_deeplab.layers.expectation_maximization import (
    ExpectationMaximizationContext,
)
from axial_deeplab.layers.hamburger import Hamburger
from axial_deeplab.layers.mscan_block import MSCANBlock
from axial_deeplab.layers.regularization import LayerScale
from axial_deeplab.layers.scale_attention import MultiScaleConvAttention
from axial_deeplab.models.semantic_segmenter import SemanticSegmenter


def centred_depthwise(layer: DepthwiseConv, shape: Shape) -> Charge:
    """A multiplication per kernel entry and pixel; bias is free."""
    cost = Cost(
        size(layer.kernel) * pixels(shape),
        parameters=counts(kernel=[layer.kernel], bias=[layer.bias]),
    )
    return Charge(shape, cost)


def layer_scale(layer: LayerScale, shape: Shape) -> Charge:
    """A product per element."""
    parameters = counts(scale=[layer.factor])
    return Charge(shape, _elements("product", math.prod(shape), parameters))


def mscan_block(layer: MSCANBlock, shape: Shape) -> Charge:
    """Its parts, which inference folds into one another."""
    parts = (
        *(layer.attention_norm, layer.attention, layer.attention_scale),
        *(layer.feed_norm, layer.feed_forward, layer.feed_scale),
    )
    return Charge(shape, Cost(), tuple((part, shape) for part in parts))


def hamburger(layer: Hamburger, shape: Shape) -> Charge:
    """All rounds of inference, on every pixel of the map."""
    options, positions, depth = layer.options, pixels(shape), shape[-1]
    rank, steps = options.rank, options.eval_steps
    # What x is multiplied with: at first, in each update, and at the end.
    whole = (1 + (steps + 1) + steps + 1) * positions * depth * rank
    # The two small products beside, for coefficients and for bases.
    of_coefficients = (depth + positions) * rank**2 * (steps + 1)
    of_bases = (positions + depth) * rank**2 * steps
    # The profiler also counts the softmax's temperature, which is 1.
    products = (steps + 2) * positions * rank + steps * depth * rank
    cost = Cost(
        whole + of_coefficients + of_bases,
        collections.Counter(product=products),
    )
    return Charge(shape, cost, ((layer.before, shape), (layer.after, shape)))


def criss_cross(layer: CrissCrossAttention, shape: Shape) -> Charge:
    """A row and a column for every pixel, and the product with the gain."""
    pairs = pixels(shape) * (shape[1] + shape[2])
    depth = layer.query.filters
    cost = Cost(
        pairs * (depth + shape[-1]),
        collections.Counter(product=math.prod(shape)),
        counts(scale=[layer.gain]),
    )
    parts = (layer.query, layer.key, layer.value)
    return Charge(shape, cost, tuple((part, shape) for part in parts))


def clusters(layer: ExpectationMaximizationContext, shape: Shape) -> Charge:
    """The two 1x1 convolutions alone: the profiler does not see the rest."""
    cost = Cost(size(layer.kernel) * pixels(shape))
    return Charge(shape, cost, ((layer.after, shape),))


def gate(layer: MultiScaleConvAttention, output: tf.Tensor) -> Cost:
    """A product per element, where there is a gate."""
    gated = math.prod(output.shape) if layer.options.gate else 0
    return _elements("product", gated)


def level_resizes(layer: ContextDecoder, output: tf.Tensor) -> Cost:
    """Of all levels; the public code resizes the first one, too."""
    channels = layer.squeeze.conv.kernel.shape[2]
    return _elements("resize", pixels(output.shape) * channels)


def projected_resizes(layer: MLPDecoder, output: tf.Tensor) -> Cost:
    """The same of all levels, which have one width."""
    return _elements("resize", math.prod(output.shape) * len(layer.levels))


def logit_resize(
    layer: SemanticSegmenter, outputs: dict[str, tf.Tensor]
) -> Cost:
    """To the size of the image."""
    del layer
    logits = outputs[keys.SEMANTIC_LOGITS]
    return _elements("resize", math.prod(logits.shape))


def _elements(
    term: str, count: int, parameters: collections.Counter | None = None
) -> Cost:
    elements = collections.Counter({term: count})
    return Cost(
        elements=elements, parameters=parameters or collections.Counter()
    )
