"""Weights of other projects become those of a model, every one of them.

A source says what becomes of a tensor by its name alone. All names and shapes
are compared before the first value is read; what is left over on either side
is refused. Then tensors are read one by one.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf

_LISTED = 20
_BACKBONE = "backbone"


class StoredTensor(Protocol):
    """A tensor of a file, read when it is asked for."""

    shape: tuple[int, ...]
    dtype: str

    def read(self) -> np.ndarray:
        """Its values."""


class Target(NamedTuple):
    """A weight of ours, and what it is made of by a tensor of theirs."""

    name: str
    convert: Callable[[np.ndarray], np.ndarray] = np.asarray


class Row(NamedTuple):
    """Which weight a tensor has become."""

    theirs: str
    ours: str
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Source:
    """A public project.

    Attributes:
      targets: name of a tensor to what becomes of it: nothing, for counters
        and the like; None for names that the project does not know.
      by_class: names of tensors with an entry for each class.
      without: beginnings of names of our weights that its files may lack.
      unused: beginnings of names of its tensors that our models may lack.
    """

    targets: Callable[[str], list[Target] | None]
    by_class: tuple[str, ...]
    without: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    def num_classes(self, tensors: Mapping[str, StoredTensor]) -> int | None:
        """Of the model in a file, if it has classes."""
        found = [tensors[name] for name in self.by_class if name in tensors]
        return found[0].shape[0] if found and found[0].shape else None


def weights_by_name(model: tf.Module) -> dict[str, tf.Variable]:
    """The weights by their names, as "backbone/res2_block0/expand/...".

    Those of a backbone alone have the names that they have in whole models.

    Raises:
      ValueError: two have the same name.
    """
    found = {}
    for weight in model.weights:
        name = weight.name.removesuffix(":0")
        if model.name == _BACKBONE and not name.startswith(f"{_BACKBONE}/"):
            name = f"{_BACKBONE}/{name}"
        if name in found:
            raise ValueError(f"{model.name} has two weights {name}.")
        found[name] = weight
    return found


def restore_weights(
    tensors: Mapping[str, StoredTensor], source: Source, model: tf.Module
) -> list[Row]:
    """Assigns tensors to all weights of a built model.

    Returns:
      What has become of each tensor, in the order of the file.

    Raises:
      ValueError: a tensor or a weight is left over, or does not fit; then no
        weight has changed.
    """
    weights = weights_by_name(model)
    plan = _plan(tensors, source, weights)
    _check(tensors, plan, weights, source, model.name)
    rows = []
    for theirs, targets in plan.items():
        if not targets:
            continue
        values = tensors[theirs].read()
        for target in targets:
            weights[target.name].assign(target.convert(values))
            shape = tuple(weights[target.name].shape)
            rows.append(Row(theirs, target.name, shape))
    return rows


def format_rows(rows: list[Row]) -> str:
    """A table of what became of each tensor, for people."""
    lines = [(row.theirs, row.ours, f"{list(row.shape)}") for row in rows]
    return format_table([("tensor", "weight", "shape"), *lines])


def format_table(lines: list[tuple[str, ...]]) -> str:
    """Columns below each other."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(map(str.ljust, line, widths)).rstrip() for line in lines
    )


def _plan(
    tensors: Mapping[str, StoredTensor],
    source: Source,
    weights: Mapping[str, tf.Variable],
) -> dict[str, list[Target] | None]:
    plan = {name: source.targets(name) for name in tensors}
    for name, targets in plan.items():
        if targets and name.startswith(source.unused):
            plan[name] = [one for one in targets if one.name in weights]
    return plan


def _check(
    tensors: Mapping[str, StoredTensor],
    plan: Mapping[str, list[Target] | None],
    weights: Mapping[str, tf.Variable],
    source: Source,
    model_name: str,
) -> None:
    """Raises a `ValueError` that lists whatever does not fit."""
    filled, unknown, wrong = set(), [], []
    for theirs, targets in plan.items():
        if targets is None or any(t.name not in weights for t in targets):
            unknown.append(theirs)
            continue
        for target in targets:
            if target.name in filled:
                wrong.append(f"{theirs} (a second one for {target.name})")
                continue
            filled.add(target.name)
            given = _shape(tensors[theirs], target)
            shape = tuple(weights[target.name].shape)
            if given != shape:
                wrong.append(f"{theirs} ({given}, {target.name} is {shape})")
    missing = [
        name
        for name in weights
        if name not in filled and not name.startswith(source.without)
    ]
    parts = [
        f"{len(names)} {what}: {listed(names)}"
        for what, names in (
            ("tensors that are no weights of it", unknown),
            ("weights of it without a tensor", missing),
            ("tensors that do not fit", wrong),
        )
        if names
    ]
    if parts:
        raise ValueError(
            f"The file is not of the model {model_name}: {'; '.join(parts)}."
        )


def _shape(tensor: StoredTensor, target: Target) -> tuple[int, ...] | str:
    """That of the converted tensor, without its values."""
    if not tensor.dtype.startswith(("float", "bfloat")):
        return tensor.dtype
    empty = np.broadcast_to(np.float32(0.0), tensor.shape)
    try:
        return target.convert(empty).shape
    except (ValueError, IndexError):
        return tensor.shape


def listed(names: list[str]) -> str:
    """The first of them, and how many more there are."""
    shown = ", ".join(names[:_LISTED])
    left = len(names) - _LISTED
    return f"{shown} and {left} more" if left > 0 else shown
