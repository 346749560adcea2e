"""The cost of the layers of axial transformers, but for their projections.

Each query costs a product per key and depth for its logits, one for what it
retrieves, and one more where offsets are vectors; adding numbers is free.
"""

import collections
import math

import tensorflow as tf

from axial_deeplab.costs.charge import Charge, Shape, counts, pixels
from axial_deeplab.costs.cost import Cost
from axial_deeplab.layers.axial_heads import AxialHeads
from axial_deeplab.layers.axial_transformer import AxialTransformerBlock
from axial_deeplab.layers.window_heads import WindowHeads


def axial_heads(layer: AxialHeads, shape: Shape) -> Charge:
    """The whole row or column for each pixel."""
    length = shape[{"height": 1, "width": 2}[layer.axis]]
    vectors = length if layer.options.relative == "vector" else 0
    return _attention(layer, shape, length, vectors)


def window_heads(layer: WindowHeads, shape: Shape) -> Charge:
    """A window for each pixel; offsets of vectors by row and by column."""
    if layer.window is None:
        return _attention(layer, shape, shape[1] * shape[2], 0)
    vectors = 2 * layer.window if layer.relative == "vector" else 0
    return _attention(layer, shape, layer.window**2, vectors)


def _attention(
    layer: AxialHeads | WindowHeads, shape: Shape, keys: int, vectors: int
) -> Charge:
    queries, channels = pixels(shape), shape[-1] // 3
    cost = Cost(
        queries * channels * (2 * keys + vectors),
        collections.Counter(logits=queries * keys * layer.options.heads),
        counts(position=layer.trainable_weights),
    )
    return Charge(Shape([*shape[:3], channels]), cost)


def residual_sums(layer: AxialTransformerBlock, output: tf.Tensor) -> Cost:
    """An element-wise term for each branch."""
    sums = len(layer.branches) * math.prod(output.shape)
    return Cost(elements=collections.Counter(residual=sums))
