"""The cost of each type of layer, from the shape of its input.

A new layer with weights needs an entry in `LEAVES`; a layer made of others
needs none, unless it multiplies or adds on its own.
"""

import collections
import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from axial_deeplab.costs.cost import Cost
from axial_deeplab.layers.axial_attention import AxialAttention
from axial_deeplab.layers.normalization import BatchNorm
from axial_deeplab.layers.residual import BottleneckBlock

Shape = tf.TensorShape


class Charge(NamedTuple):
    """The shape of a layer's output, and the layer's cost."""

    output: Shape
    cost: Cost


def convolution(layer: tf_keras.layers.Conv2D, shape: Shape) -> Charge:
    """A multiplication per kernel entry and output pixel; bias is free."""
    output = layer.compute_output_shape(shape)
    return Charge(output, _kernel(layer, layer.kernel, _pixels(output)))


def depthwise(layer: tf_keras.layers.DepthwiseConv2D, shape: Shape) -> Charge:
    """The same, with a kernel per channel."""
    output = layer.compute_output_shape(shape)
    return Charge(
        output, _kernel(layer, layer.depthwise_kernel, _pixels(output))
    )


def dense(layer: tf_keras.layers.Dense, shape: Shape) -> Charge:
    """A multiplication per kernel entry and vector."""
    output = layer.compute_output_shape(shape)
    vectors = math.prod(output[:-1])
    return Charge(output, _kernel(layer, layer.kernel, vectors))


def _kernel(
    layer: tf_keras.layers.Layer, kernel: tf.Variable, applications: int
) -> Cost:
    bias = [layer.bias] if layer.use_bias else []
    return Cost(
        _size(kernel) * applications,
        parameters=_counts(kernel=[kernel], bias=bias),
    )


def batch_norm(layer: BatchNorm, shape: Shape) -> Charge:
    """Free, as it folds into the convolution before it."""
    return Charge(shape, Cost(parameters=_counts(norm=layer.trainable_weights)))


def max_pool(layer: tf_keras.layers.MaxPool2D, shape: Shape) -> Charge:
    """An element-wise term."""
    output = layer.compute_output_shape(shape)
    elements = collections.Counter(max_pool=math.prod(output))
    return Charge(output, Cost(elements=elements))


def axial_attention(layer: AxialAttention, shape: Shape) -> Charge:
    """One product per query, key and depth for each term and retrieval.

    A span is charged in full at every query, also where the map ends before
    it: so the multiply-adds of arXiv:2003.07853 grow with its spans.
    """
    pixels, options = _pixels(shape), layer.options
    length = shape[{"height": 1, "width": 2}[layer.axis]]
    pairs = pixels * (layer.span or length)
    terms = 1 + options.query + options.key
    outputs = 1 + options.value
    projected = 2 * layer.key_filters + layer.filters
    depth = terms * layer.key_filters + outputs * layer.filters
    tables = [
        getattr(layer, f"{name}_position")
        for name in ("query", "key", "value")
        if getattr(options, name)
    ]
    cost = Cost(
        _size(layer.qkv_kernel) * pixels + pairs * depth,
        collections.Counter(
            logits=pairs * layer.heads * terms,
            attention_norm=pixels * (projected + outputs * layer.filters),
        ),
        _counts(
            kernel=[layer.qkv_kernel],
            position=tables,
            projection_norm=layer.qkv_norm.trainable_weights,
            logit_norm=layer.similarity_norm.trainable_weights,
            output_norm=layer.output_norm.trainable_weights,
        ),
    )
    return Charge(Shape([*shape[:3], layer.filters]), cost)


def residual_sum(layer: BottleneckBlock, output: Shape) -> Cost:
    """An element-wise term, beside the cost of the parts."""
    del layer
    return Cost(elements=collections.Counter(residual=math.prod(output)))


def _pixels(shape: Shape) -> int:
    return math.prod(shape[:3])


def _size(weight: tf.Variable) -> int:
    return math.prod(weight.shape)


def _counts(**weights: list[tf.Variable]) -> collections.Counter:
    return collections.Counter(
        {kind: sum(map(_size, some)) for kind, some in weights.items()}
    )


# Layers that are charged as a whole. By exact type: a subclass may do more.
LEAVES: dict[type, Callable[[tf_keras.layers.Layer, Shape], Charge]] = {
    tf_keras.layers.Conv2D: convolution,
    tf_keras.layers.DepthwiseConv2D: depthwise,
    tf_keras.layers.Dense: dense,
    tf_keras.layers.MaxPool2D: max_pool,
    BatchNorm: batch_norm,
    AxialAttention: axial_attention,
}

# What a layer made of others costs on its own, by the shape of its output.
BESIDE_PARTS: dict[type, Callable[[tf_keras.layers.Layer, Shape], Cost]] = {
    BottleneckBlock: residual_sum,
}
