"""Walks a model without computing: every layer is charged by its shapes.

While a walk lasts, a call of a layer of `LEAVES` adds its cost and returns
zeros of the shape that its output would have; all others run as they are, on
symbolic tensors. So a walk takes part of a second at any size.
"""

import collections
import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.backbones.backbone import Backbone
from axial_deeplab.costs.charge import size
from axial_deeplab.costs.cost import Cost
from axial_deeplab.costs.layer_costs import BESIDE_PARTS, LEAVES
from axial_deeplab.layers.configurable import without_autograph
from axial_deeplab.models.presets import create_model, zero_weights

_Layer = tf_keras.layers.Layer
# What must not happen outside the layers that are charged.
_MULTIPLICATIONS = ("MatMul", "Conv", "Einsum")
_TABLE = "axial_deeplab/costs/layer_costs.py"


@dataclasses.dataclass(frozen=True)
class ModelCost:
    """Cost of a model for one image, and of its class-dependent part.

    The latter is the last convolution of the semantic head, which the
    multiply-adds of arXiv:2003.07853 leave out.
    """

    total: Cost
    class_dependent: Cost = Cost()

    def tally(self, rules: str = "axial") -> float:
        """Multiply-adds by a paper's rules."""
        return self.total.tally(rules) - self.class_dependent.multiply_adds


def create_dry_model(name: str, **options: Any) -> tf_keras.Model:
    """As `create_model`, but with zeros for weights, in part of a second."""
    with _layer_calls(_Walk().call), zero_weights():
        return create_model(name, **options)


def count_costs(model: tf_keras.Model, size_px: tuple[int, int]) -> ModelCost:
    """Cost of a built model for one image of (height, width) pixels.

    Raises:
      ValueError: a layer has weights or multiplies, and its cost is unknown.
    """
    walk = _Walk()
    with _layer_calls(walk.call):
        graph = _trace(model, size_px)
    walk.check(model)
    _check_multiplications(graph)
    heads = getattr(model, "heads", {})
    if keys.SEMANTIC_LOGITS not in heads:
        return ModelCost(walk.total())
    last = heads[keys.SEMANTIC_LOGITS].project
    return ModelCost(walk.total(), walk.total(last))


def _trace(model: tf_keras.Model, size_px: tuple[int, int]) -> tf.Graph:
    @tf.function(autograph=False)
    @without_autograph
    def run(images: tf.Tensor) -> Any:
        return model(images)

    return run.get_concrete_function(tf.TensorSpec([1, *size_px, 3])).graph


@contextlib.contextmanager
def _layer_calls(handle: Callable[..., Any]) -> Iterator[None]:
    """Inside, all calls of all layers go to `handle(call, layer, ...)`."""
    original = _Layer.__call__

    def call(layer, *args, **kwargs):
        return handle(original, layer, *args, **kwargs)

    _Layer.__call__ = call
    try:
        yield
    finally:
        _Layer.__call__ = original


class _Walk:
    """The layers of one run, and what each call of them cost."""

    def __init__(self):
        self._costs: list[tuple[_Layer, Cost]] = []
        self._inside: list[_Layer] = []
        self._called: list[_Layer] = []

    def call(
        self,
        original: Callable[..., Any],
        layer: _Layer,
        x: Any,
        *args,
        **kwargs,
    ) -> Any:
        """What a call of a layer returns in a walk."""
        if type(layer) in LEAVES:
            stride = {name: kwargs[name] for name in kwargs if name == "stride"}
            return self._leaf(layer, x, stride)
        self._inside.append(layer)
        y = original(layer, x, *args, **kwargs)
        self._called.append(self._inside.pop())
        if type(layer) in BESIDE_PARTS:
            cost = BESIDE_PARTS[type(layer)](layer, y)
            self._costs.append((layer, cost))
        return y

    def _leaf(
        self, layer: _Layer, x: tf.Tensor, stride: dict[str, int]
    ) -> tf.Tensor:
        if not layer.built:
            with tf.name_scope(layer.name), tf.init_scope():
                layer.build(x.shape)
        output, cost, parts = LEAVES[type(layer)](layer, x.shape, **stride)
        if any(layer is seen for seen, _ in self._costs):
            cost = dataclasses.replace(cost, parameters=collections.Counter())
        if not any(isinstance(outer, Backbone) for outer in self._inside):
            cost = _outside_backbone(cost)
        self._costs.append((layer, cost))
        for part, shape in parts:
            part(tf.zeros(shape, layer.compute_dtype))
        return tf.zeros(output, layer.compute_dtype)

    def total(self, layer: _Layer | None = None) -> Cost:
        """Of all calls, or of those of one layer."""
        costs = [c for one, c in self._costs if layer is None or one is layer]
        return sum(costs, Cost())

    def check(self, model: tf_keras.Model) -> None:
        """Raises a `ValueError` if a weight of the model has no cost."""
        charged = {
            id(weight)
            for layer, _ in self._costs
            if type(layer) in LEAVES
            for weight in layer.trainable_weights
        }
        weights = model.trainable_weights
        for weight in weights:
            if id(weight) not in charged:
                raise ValueError(
                    f"The cost of {self._owner(model, weight)} is unknown, "
                    f"which has the weight {weight.name}: add its type to "
                    f"{_TABLE}."
                )
        counted, trainable = self.total().count(), sum(map(size, weights))
        if counted != trainable:
            raise ValueError(
                f"{counted} parameters were charged, but there are "
                f"{trainable}: an entry in {_TABLE} is wrong."
            )

    def _owner(self, model: tf_keras.Model, weight: tf.Variable) -> str:
        """The innermost layer that holds a weight."""
        owners = [
            layer
            for layer in (model, *model.submodules)
            if isinstance(layer, _Layer)
            and any(weight is own for own in layer.trainable_weights)
        ]
        owner = min(owners, key=lambda layer: len(layer.trainable_weights))
        called = any(owner is layer for layer in self._called)
        text = f"layer {owner.name} ({type(owner).__name__})"
        return text if called else f"{text}, which is never called,"


def _check_multiplications(graph: tf.Graph) -> None:
    for node in _nodes(graph):
        if any(word in node.op for word in _MULTIPLICATIONS):
            raise ValueError(
                f"{node.name} ({node.op}) multiplies outside of all layers of "
                f"known cost: add the type of its layer to {_TABLE}."
            )


def _nodes(graph: tf.Graph) -> Iterator[tf.compat.v1.NodeDef]:
    """Those of the functions in it, too."""
    definition = graph.as_graph_def()
    yield from definition.node
    for function in definition.library.function:
        yield from function.node_def


def _outside_backbone(cost: Cost) -> Cost:
    """The paper counts norms of convolutions in backbones only."""
    parameters = collections.Counter(cost.parameters)
    norm = parameters.pop("norm", 0)
    if norm:
        parameters["decoder_norm"] = norm
    return dataclasses.replace(cost, parameters=parameters)
