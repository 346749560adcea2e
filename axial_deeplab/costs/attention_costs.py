"""The cost of attention layers, from the shapes of their inputs.

Each query costs one product per key and depth for every term of the logits
and for every retrieved output. Windows and spans are charged in full at every
query, also where the map ends before them: so grow the multiply-adds that
arXiv:2003.07853 prints for its spans.
"""

import collections
import math

import tf_keras

from axial_deeplab.costs.charge import Charge, Shape, counts, pixels, size
from axial_deeplab.costs.cost import Cost
from axial_deeplab.layers.attention_stem import AttentionStem
from axial_deeplab.layers.axial_attention import AxialAttention
from axial_deeplab.layers.local_attention import LocalAttention2D
from axial_deeplab.layers.non_local import NonLocalBlock


def axial_attention(
    layer: AxialAttention, shape: Shape, stride: int = 1
) -> Charge:
    """The span, or else the whole row or column, for each pixel.

    Those that a stride drops, too: training computes them, and the papers
    count them.
    """
    axis = {"height": 1, "width": 2}[layer.axis]
    keys = layer.span or shape[axis]
    cost = _attention(layer, pixels(shape), keys, layer.key_filters)
    sides = list(shape[:3])
    sides[axis] = -(-sides[axis] // stride)
    return Charge(Shape([*sides, layer.filters]), cost)


def local_attention(layer: LocalAttention2D, shape: Shape) -> Charge:
    """A window for each pixel, before the stride."""
    cost = _attention(layer, pixels(shape), layer.window**2, layer.filters)
    sides = [-(-side // layer.stride) for side in shape[1:3]]
    return Charge(Shape([shape[0], *sides, layer.filters]), cost)


def _attention(
    layer: AxialAttention | LocalAttention2D,
    queries: int,
    keys: int,
    key_filters: int,
) -> Cost:
    options = layer.options
    terms = 1 + options.query + options.key
    outputs = 1 + options.value
    normed = outputs * layer.filters
    if layer.qkv_norm is not None:
        normed += 2 * key_filters + layer.filters
    depth = terms * key_filters + outputs * layer.filters
    return Cost(
        queries * (size(layer.qkv_kernel) + keys * depth),
        collections.Counter(
            logits=queries * keys * layer.heads * terms,
            attention_norm=queries * normed,
        ),
        counts(
            kernel=[layer.qkv_kernel],
            position=[
                getattr(layer, f"{name}_position")
                for name in ("query", "key", "value")
                if getattr(options, name)
            ],
            projection_norm=_weights(layer.qkv_norm),
            logit_norm=_weights(layer.similarity_norm),
            output_norm=_weights(layer.output_norm),
        ),
    )


def _weights(norm: tf_keras.layers.Layer | None) -> list:
    return [] if norm is None else norm.trainable_weights


def attention_stem(layer: AttentionStem, shape: Shape) -> Charge:
    """Within blocks; every mixture of values is charged at every pixel.

    So arXiv:1906.05909 writes it, though it is enough to mix the kernels.
    """
    places = [layer.row_position, layer.column_position]
    embeddings = [*places, layer.mixture_position]
    kernels = [layer.query_kernel, layer.key_kernel, layer.value_kernel]
    block = math.prod(place.shape[0] for place in places)
    queries = pixels(shape)
    cost = Cost(
        queries * (sum(map(size, kernels)) + 2 * block * layer.filters),
        collections.Counter(logits=queries * block * layer.heads),
        counts(kernel=kernels, position=embeddings),
    )
    retrieved = Shape([*shape[:3], layer.filters])
    window = layer.pool.pool_size
    pooled = [
        -(-side // factor)
        for side, factor in zip(shape[1:3], window, strict=True)
    ]
    padded = [
        side * factor for side, factor in zip(pooled, window, strict=True)
    ]
    return Charge(
        Shape([shape[0], *pooled, layer.filters]),
        cost,
        (
            (layer.batch_norm, retrieved),
            (layer.pool, Shape([shape[0], *padded, layer.filters])),
        ),
    )


def non_local(layer: NonLocalBlock, shape: Shape) -> Charge:
    """Every pixel for every pixel, one head, and a residual sum."""
    queries, depth = pixels(shape), layer.qkv_kernel.shape[1] // 3
    pairs = queries * math.prod(shape[1:3])
    cost = Cost(
        queries * size(layer.qkv_kernel) + pairs * 2 * depth,
        collections.Counter(logits=pairs, residual=math.prod(shape)),
        counts(kernel=[layer.qkv_kernel]),
    )
    return Charge(shape, cost, ((layer.expand, Shape([*shape[:3], depth])),))
