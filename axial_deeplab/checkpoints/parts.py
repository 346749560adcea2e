"""Parts of a model out of files of another one, say with other classes.

A part is one that checkpoints name, "backbone" or "decoder", or another that
the names of its weights begin with, such as a head. What is asked for must fit,
but for weights with an entry for each class outside of the backbone, which keep
their initial values.
"""

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import h5py
import numpy as np
import tf_keras

from axial_deeplab.checkpoints import object_graph, own_files
from axial_deeplab.checkpoints.weight_map import (
    StoredTensor,
    format_table,
    listed,
    weights_by_name,
)

_LAYERS, _WEIGHTS = "layer_names", "weight_names"
_BACKBONE = "backbone"
_NOT_ASKED, _MISSING = "not asked for", "not in the file"
_OTHER_CLASSES = "the file has other classes,"


class Outcome(NamedTuple):
    """What became of a weight; `left` says why it has its initial value."""

    name: str
    shape: tuple[int, ...]
    left: str = ""


class _Array(NamedTuple):
    """A tensor that has been read."""

    values: Any
    shape: tuple[int, ...]
    dtype: str

    def read(self) -> np.ndarray:
        """Its values."""
        return np.asarray(self.values)


def weights_by_part(model: tf_keras.Model) -> dict[str, list[str]]:
    """Names of the weights of a built model by part, in order."""
    items = getattr(model, "checkpoint_items", {_BACKBONE: model})
    part_of = {
        id(weight): part
        for part, item in items.items()
        for weight in item.weights
    }
    found: dict[str, list[str]] = {}
    for name, weight in weights_by_name(model).items():
        part = part_of.get(id(weight), name.split("/")[0])
        found.setdefault(part, []).append(name)
    return found


def restore_by_part(
    path: str, model: tf_keras.Model, parts: Iterable[str]
) -> list[Outcome]:
    """Gives parts of a built model the weights of a file.

    Args:
      path: a checkpoint (prefix or folder), a .keras file, or a file of
        `Model.save_weights`.
      model: which may have other classes, or parts, than the file.
      parts: some of `weights_by_part(model)`.

    Returns:
      What has become of each weight.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the model has no such part, or the file does not fit; then
        no weight has changed.
    """
    weights, asked = weights_by_name(model), _asked(model, parts)
    stored = _stored_tensors(path, model)
    outcomes = []
    for name, weight in weights.items():
        why = _NOT_ASKED
        if name in asked:
            why = _why_left(name, weight, stored, asked[name])
        outcomes.append(Outcome(name, tuple(weight.shape), why))
    _check(path, outcomes, asked)
    for outcome in outcomes:
        if not outcome.left:
            weights[outcome.name].assign(stored[outcome.name].read())
    return outcomes


def format_outcomes(outcomes: list[Outcome]) -> str:
    """A table of what was restored and what was not, for people."""
    left = sum(bool(outcome.left) for outcome in outcomes)
    rows = [
        (
            one.name,
            f"{list(one.shape)}",
            f"initial value: {one.left}" if one.left else "restored",
        )
        for one in outcomes
    ]
    return "\n".join(
        [
            format_table([("weight", "shape", ""), *rows]),
            f"{len(outcomes) - left} weights were restored, {left} have their "
            "initial values.",
        ]
    )


def _asked(model: tf_keras.Model, parts: Iterable[str]) -> dict[str, str]:
    """The part of each weight that is asked for."""
    by_part, found = weights_by_part(model), {}
    for part in parts:
        if part not in by_part:
            raise ValueError(
                f"The parts of {model.name} are {', '.join(by_part)}; got "
                f"{part!r}."
            )
        found |= dict.fromkeys(by_part[part], part)
    return found


def _why_left(
    name: str, weight: Any, stored: Mapping[str, StoredTensor], part: str
) -> str:
    if name not in stored:
        return _MISSING
    theirs, ours = tuple(stored[name].shape), tuple(weight.shape)
    if theirs == ours:
        return ""
    if part != _BACKBONE and theirs[:-1] == ours[:-1]:
        return f"{_OTHER_CLASSES} {list(theirs)}"
    return f"the file has {list(theirs)}"


def _check(
    path: str, outcomes: list[Outcome], asked: Mapping[str, str]
) -> None:
    """Refuses files that lack anything but weights of other classes."""
    restored = {asked[one.name] for one in outcomes if not one.left}
    wrong = [
        f"{one.name} ({list(one.shape)}; {one.left})"
        for one in outcomes
        if one.left not in ("", _NOT_ASKED)
        and not one.left.startswith(_OTHER_CLASSES)
    ]
    if wrong or not asked or restored != set(asked.values()):
        raise ValueError(
            f"{path} is of another model; {len(wrong)} weights do not fit: "
            f"{listed(wrong)}."
        )


def _stored_tensors(
    path: str, model: tf_keras.Model
) -> Mapping[str, StoredTensor]:
    """Of any file of ours, by the names that the model has for them."""
    own_files.refuse_foreign(path)
    if path.endswith(".keras"):
        loaded = object_graph.weights_of_other(
            own_files.load_model(path), model
        )
        return {
            name: _Array(weight, tuple(weight.shape), weight.dtype.name)
            for name, weight in loaded.items()
        }
    if not path.endswith(".h5"):
        return object_graph.tensors_by_name(path, model)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        with h5py.File(path) as file:
            if _LAYERS in file.attrs:
                return _named_arrays(file, model)
        return _positional_arrays(path, model)
    except (LookupError, OSError, TypeError, ValueError) as error:
        first_line = f"{error}".strip().splitlines()[0]
        raise ValueError(f"{path} cannot be loaded: {first_line}") from error


def _named_arrays(
    file: h5py.File, model: tf_keras.Model
) -> dict[str, StoredTensor]:
    """Of a file in Keras' older format, which names its weights."""
    found, wanted = {}, weights_by_name(model)
    for layer in file.attrs[_LAYERS]:
        for name in file[layer].attrs[_WEIGHTS]:
            values = file[layer][name]
            ours = str(name).removesuffix(":0")
            if f"backbone/{ours}" in wanted:
                ours = f"backbone/{ours}"
            if ours in wanted:
                found[ours] = _Array(
                    values[()], values.shape, values.dtype.name
                )
    return found


def _positional_arrays(
    path: str, model: tf_keras.Model
) -> dict[str, StoredTensor]:
    """Of a file in Keras' newer format, which only Keras can read.

    It loads what fits and says nothing about the rest, whose numbers of
    classes, if it is in the file, stay unknown.
    """
    before = model.get_weights()
    try:
        for weight in model.weights:
            weight.assign(np.full(weight.shape, np.nan))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.load_weights(path, skip_mismatch=True)
        return {
            name: _loaded(weight.numpy())
            for name, weight in weights_by_name(model).items()
        }
    finally:
        model.set_weights(before)


def _loaded(values: np.ndarray) -> _Array:
    """What has become of not-a-number."""
    missing = values.size and np.all(np.isnan(values))
    last = ("?",) if missing else values.shape[-1:]
    return _Array(values, values.shape[:-1] + last, values.dtype.name)
