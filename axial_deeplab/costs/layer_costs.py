"""The cost of each type of layer, from the shape of its input.

A new layer with weights needs an entry in `LEAVES`; a layer made of others
needs none, unless it multiplies or adds on its own.
"""

import collections
import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from axial_deeplab.costs.attention_costs import (
    attention_stem,
    axial_attention,
    local_attention,
    non_local,
)
from axial_deeplab.costs.charge import Charge, Shape, counts, pixels, size
from axial_deeplab.costs.cost import Cost
from axial_deeplab.costs.mobile_costs import (
    channel_gate,
    inverted_sum,
    switchable,
)
from axial_deeplab.costs.segnext_costs import (
    centred_depthwise,
    clusters,
    criss_cross,
    gate,
    hamburger,
    layer_scale,
    level_resizes,
    logit_resize,
    mscan_block,
    projected_resizes,
)
from axial_deeplab.costs.transformer_costs import (
    axial_heads,
    residual_sums,
    window_heads,
)
from axial_deeplab.decoders.axial_decoder import AxialDecoderBlock
from axial_deeplab.decoders.hamburger_decoder import ContextDecoder
from axial_deeplab.decoders.mlp_decoder import MLPDecoder
from axial_deeplab.layers.attention_stem import AttentionStem
from axial_deeplab.layers.axial_attention import AxialAttention
from axial_deeplab.layers.axial_heads import AxialHeads
from axial_deeplab.layers.axial_transformer import AxialTransformerBlock
from axial_deeplab.layers.criss_cross import CrissCrossAttention
from axial_deeplab.layers.depthwise import DepthwiseConv
from axial_deeplab.layers.expectation_maximization import (
    ExpectationMaximizationContext,
)
from axial_deeplab.layers.group_norm import ChannelNorm, GroupNorm
from axial_deeplab.layers.hamburger import Hamburger
from axial_deeplab.layers.inverted_residual import (
    InvertedResidual,
    SqueezeExcite,
)
from axial_deeplab.layers.local_attention import LocalAttention2D
from axial_deeplab.layers.mscan_block import MSCANBlock
from axial_deeplab.layers.non_local import NonLocalBlock
from axial_deeplab.layers.normalization import BatchNorm
from axial_deeplab.layers.regularization import LayerScale
from axial_deeplab.layers.residual import BasicBlock, BottleneckBlock
from axial_deeplab.layers.scale_attention import MultiScaleConvAttention
from axial_deeplab.layers.switchable_conv import SwitchableConv
from axial_deeplab.layers.window_heads import WindowHeads
from axial_deeplab.layers.xception_block import XceptionBlock
from axial_deeplab.models.semantic_segmenter import SemanticSegmenter


def convolution(layer: tf_keras.layers.Conv2D, shape: Shape) -> Charge:
    """A multiplication per kernel entry and output pixel; bias is free."""
    output = layer.compute_output_shape(shape)
    return Charge(output, _kernel(layer, layer.kernel, pixels(output)))


def depthwise(layer: tf_keras.layers.DepthwiseConv2D, shape: Shape) -> Charge:
    """The same, with a kernel per channel."""
    output = layer.compute_output_shape(shape)
    return Charge(
        output, _kernel(layer, layer.depthwise_kernel, pixels(output))
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
        size(kernel) * applications,
        parameters=counts(kernel=[kernel], bias=bias),
    )


def norm(layer: tf_keras.layers.Layer, shape: Shape) -> Charge:
    """An element-wise term: it may fold into the convolution before it."""
    elements = collections.Counter(norm=math.prod(shape))
    parameters = counts(norm=layer.trainable_weights)
    return Charge(shape, Cost(elements=elements, parameters=parameters))


def max_pool(layer: tf_keras.layers.MaxPool2D, shape: Shape) -> Charge:
    """An element-wise term."""
    output = layer.compute_output_shape(shape)
    elements = collections.Counter(max_pool=math.prod(output))
    return Charge(output, Cost(elements=elements))


def residual_sum(layer: tf_keras.layers.Layer, output: tf.Tensor) -> Cost:
    """An element-wise term, beside the cost of the parts."""
    del layer
    return Cost(elements=collections.Counter(residual=math.prod(output.shape)))


# Layers that are charged as a whole. By exact type: a subclass may do more.
LEAVES: dict[type, Callable[[tf_keras.layers.Layer, Shape], Charge]] = {
    tf_keras.layers.Conv2D: convolution,
    tf_keras.layers.DepthwiseConv2D: depthwise,
    tf_keras.layers.Dense: dense,
    tf_keras.layers.MaxPool2D: max_pool,
    BatchNorm: norm,
    ChannelNorm: norm,
    GroupNorm: norm,
    DepthwiseConv: centred_depthwise,
    LayerScale: layer_scale,
    Hamburger: hamburger,
    MSCANBlock: mscan_block,
    SwitchableConv: switchable,
    CrissCrossAttention: criss_cross,
    ExpectationMaximizationContext: clusters,
    AxialAttention: axial_attention,
    LocalAttention2D: local_attention,
    AttentionStem: attention_stem,
    NonLocalBlock: non_local,
    AxialHeads: axial_heads,
    WindowHeads: window_heads,
}

# What layers made of others cost on their own, by what they return.
BESIDE_PARTS: dict[type, Callable[[tf_keras.layers.Layer, Any], Cost]] = {
    BasicBlock: residual_sum,
    BottleneckBlock: residual_sum,
    XceptionBlock: residual_sum,
    AxialDecoderBlock: residual_sum,
    InvertedResidual: inverted_sum,
    SqueezeExcite: channel_gate,
    AxialTransformerBlock: residual_sums,
    MultiScaleConvAttention: gate,
    ContextDecoder: level_resizes,
    MLPDecoder: projected_resizes,
    SemanticSegmenter: logit_resize,
}
