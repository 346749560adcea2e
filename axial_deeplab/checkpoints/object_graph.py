"""Weights in TensorFlow checkpoints of ours, by the names that they have here.

Keys of checkpoints are paths of attributes, the shortest that was found when
they were written; the object graph beside says which key a variable has. It is
walked side by side with a model.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow.core.protobuf import trackable_object_graph_pb2

from axial_deeplab.checkpoints.own_files import (
    check_is_of_model,
    checked,
    resolve_checkpoint,
)
from axial_deeplab.checkpoints.weight_map import weights_by_name

_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_MODEL, _BACKBONE = "model", "backbone"


@dataclasses.dataclass(frozen=True)
class CheckpointTensor:
    """A tensor of a TensorFlow checkpoint."""

    reader: Any
    key: str
    shape: tuple[int, ...]
    dtype: str

    def read(self) -> np.ndarray:
        """Its values."""
        return checked(self.key, self.reader.get_tensor, self.key)


def tensors_by_name(
    path: str, model: tf_keras.Model
) -> dict[str, CheckpointTensor]:
    """What a checkpoint holds for a model, by the names of its weights.

    Shapes may be others, and weights may be missing.

    Args:
      path: prefix or folder; of the trainer, of a converted model, or of
        `Model.save_weights`.
      model: built.

    Raises:
      FileNotFoundError: there is no checkpoint.
      ValueError: it is damaged, or none of objects.
    """
    names = {id(weight): n for n, weight in weights_by_name(model).items()}
    return {
        names[weight]: tensor
        for weight, tensor in _tensors(resolve_checkpoint(path), model).items()
    }


def restore_one_by_one(path: str, model: tf_keras.Model) -> None:
    """Restores all weights, with memory for a single tensor beside them.

    (`tf.train.Checkpoint.read` holds all tensors at once.)

    Args:
      path: as `tensors_by_name`.
      model: built; a whole model, or a backbone.

    Raises:
      FileNotFoundError: there is no checkpoint.
      ValueError: it is damaged, or of another model; then no weight has
        changed, but for damage that shows when numbers are read.
    """
    prefix = resolve_checkpoint(path)
    if hasattr(model, "checkpoint_items"):
        check_is_of_model(prefix, model)
    tensors = _tensors(prefix, model)
    fitting = sum(
        id(weight) in tensors
        and tensors[id(weight)].shape == tuple(weight.shape)
        for weight in model.weights
    )
    if fitting < len(model.weights):
        raise ValueError(
            f"The checkpoint {prefix} cannot be restored: it is of another "
            f"model; {model.name} has {len(model.weights)} weights, of which "
            f"{fitting} are in it."
        )
    for weight in model.weights:
        weight.assign(tensors[id(weight)].read())


def _tensors(prefix: str, model: tf_keras.Model) -> dict[int, CheckpointTensor]:
    """What a checkpoint holds for a model, by the id of the weight."""
    reader = checked(prefix, tf.train.load_checkpoint, prefix)
    shapes = reader.get_variable_to_shape_map()
    dtypes = reader.get_variable_to_dtype_map()
    if _GRAPH not in shapes:
        raise ValueError(f"The checkpoint {prefix} holds no objects.")
    serialized = checked(prefix, reader.get_tensor, _GRAPH)
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    nodes = graph.FromString(serialized).nodes
    found = {}
    for start in _starts(nodes, model):
        for variable, node in _walk(
            *start, lambda node: _children(nodes, node)
        ):
            weight = id(variable)
            keys = [one.checkpoint_key for one in nodes[node].attributes]
            if weight not in found and keys and keys[0] in shapes:
                found[weight] = CheckpointTensor(
                    reader,
                    keys[0],
                    tuple(shapes[keys[0]]),
                    dtypes[keys[0]].name,
                )
    return found


def weights_of_other(
    other: tf_keras.Model, model: tf_keras.Model
) -> dict[str, tf.Variable]:
    """Those of another model by the names that this one has for them.

    Loaded models have lost their own names.
    """
    names = {id(weight): n for n, weight in weights_by_name(model).items()}
    inside = [getattr(one, _BACKBONE, one) for one in (other, model)]
    view, found = tf.train.TrackableView(other), {}
    for start in ((other, model), inside):
        for variable, theirs in _walk(*start, view.children):
            if isinstance(theirs, tf.Variable):
                found.setdefault(names[id(variable)], theirs)
    return found


def _starts(nodes: Any, model: tf_keras.Model) -> list[tuple[int, Any]]:
    """Objects of the model, and where the file may have them."""
    root = _children(nodes, 0)
    tops = [root[_MODEL], 0] if _MODEL in root else [0]
    starts = []
    for name, part in getattr(model, "checkpoint_items", {}).items():
        starts += [
            (children[name], part)
            for children in (_children(nodes, top) for top in [0, *tops])
            if name in children
        ]
    if not hasattr(model, "checkpoint_items"):  # it is a backbone
        starts += [
            (children[_BACKBONE], model)
            for children in (_children(nodes, top) for top in [0, *tops])
            if _BACKBONE in children
        ]
    return starts + [(top, model) for top in tops]


def _walk(
    start: Any, top: Any, children: Callable[[Any], Mapping[str, Any]]
) -> Iterator[tuple[tf.Variable, Any]]:
    """Weights of ours, and the nodes of the same paths on the other side."""
    view, waiting, seen = tf.train.TrackableView(top), [(start, top)], set()
    ours = {id(weight) for weight in top.weights}
    while waiting:
        node, one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if id(one) in ours:
            yield one, node
            continue
        stored = children(node)
        for name, child in view.children(one).items():
            if name in stored:
                waiting.append((stored[name], child))


def _children(nodes: Any, node: int) -> dict[str, int]:
    return {child.local_name: child.node_id for child in nodes[node].children}
