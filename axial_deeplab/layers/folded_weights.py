"""Weights of axial attention for inference: its three batch norms folded in.

A norm of inference is a factor and an offset. Those of the projection go into
its kernel and bias; the factor of the retrieved content into that of the
values, and all offsets of the output into their bias, as the weights of a
softmax sum to one. What is left are one factor each for the logit terms and
for the retrieved positions: as a switched off term has none, and kernels may
be in half precision, no term is scaled by another one's factor.

Layers fold as they compute; `fold_model` does it once for an export.
"""

import contextlib
import contextvars
import types
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import tensorflow as tf


class FoldedWeights(NamedTuple):
    """What inference multiplies and adds; all float32.

    kernel [C, F] and bias [F] of queries, keys and values; factors: "content"
    and, if in use, "query" and "key" [heads] of the logit terms, "value"
    [filters] of the retrieved positions, and "kernel" [F], if it is not in the
    kernel.
    """

    kernel: tf.Tensor
    bias: tf.Tensor
    factors: dict[str, tf.Tensor]

    def baked(self) -> "FoldedWeights":
        """The same with all factors of the kernel in it, to use it often."""
        factors = dict(self.factors)
        scale = factors.pop("kernel")
        return self._replace(kernel=self.kernel * scale, factors=factors)


class Affine(NamedTuple):
    """Factor and offset of a batch norm in inference."""

    factor: tf.Tensor
    offset: tf.Tensor


def fold_weights(
    kernel: tf.Tensor,
    qkv: Affine,
    logits: dict[str, tf.Tensor],
    output: Affine,
) -> FoldedWeights:
    """Folds the norms of an axial attention.

    Args:
      kernel: [C, F], queries, keys, values.
      qkv: [F].
      logits: factor [heads] of the terms in use: "content", "query", "key".
      output: [1 or 2, filters]: content and, if in use, position.

    Returns:
      The kernel as it is, and what it is to be multiplied by (`baked`).
    """
    keys = kernel.shape[1] - output.factor.shape[1]
    scale = tf.concat([tf.ones([keys]), output.factor[0]], 0)
    offset = tf.concat([tf.zeros([keys]), tf.reduce_sum(output.offset, 0)], 0)
    factors = {"kernel": qkv.factor * scale, **logits}
    if output.factor.shape[0] == 2:
        factors["value"] = output.factor[1]
    return FoldedWeights(kernel, qkv.offset * scale + offset, factors)


_in_use: contextvars.ContextVar[Mapping[int, FoldedWeights]] = (
    contextvars.ContextVar("folded_weights", default=types.MappingProxyType({}))
)


@contextlib.contextmanager
def folded_weights(by_layer: Mapping[int, FoldedWeights]) -> Iterator[None]:
    """Inference with the results of `fold_model` instead of the weights."""
    token = _in_use.set(by_layer)
    try:
        yield
    finally:
        _in_use.reset(token)


def folded_weights_of(layer: tf.Module) -> FoldedWeights:
    """Those of `folded_weights`, or else computed now."""
    return _in_use.get().get(id(layer)) or layer.fold()


def fold_model(model: tf.Module) -> dict[int, FoldedWeights]:
    """Variables with the folded weights of all layers that fold, by `id`.

    They are worth what the weights of the model are now.
    """
    return {
        id(layer): tf.nest.map_structure(
            lambda x: tf.Variable(x, trainable=False), _baked(layer.fold())
        )
        for layer in (model, *model.submodules)
        if hasattr(layer, "fold")
    }


def _baked(weights: NamedTuple) -> NamedTuple:
    return weights.baked() if isinstance(weights, FoldedWeights) else weights
