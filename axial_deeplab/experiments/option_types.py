"""Whether the values of options fit their annotations, in words."""

import collections.abc
import types
import typing
from typing import Any

from official.modeling import hyperparams

_WORDS = {types.NoneType: "null", Any: "anything"}


def union_members(hint: Any) -> tuple:
    """The types of a union; the type itself if it is none."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def is_section(hint: Any) -> bool:
    """Whether options of this annotation are sections of options."""
    return isinstance(hint, type) and issubclass(hint, hyperparams.Config)


def _element(hint: Any) -> Any | None:
    """What a list holds; None if `hint` is no list."""
    if typing.get_origin(hint) in (list, tuple, collections.abc.Sequence):
        return typing.get_args(hint)[0]
    return None


def find_problem(value: Any, hint: Any, path: str) -> str:
    """What is wrong with a value, down to the entry of a list; "" if nothing.

    Args:
      value: what an option is given.
      hint: the option's annotation.
      path: sections and option.
    """
    if _fits(value, hint):
        return ""
    elements = [kind for kind in map(_element, union_members(hint)) if kind]
    if isinstance(value, list | tuple) and len(elements) == 1:
        entries = enumerate(value)
        found = (
            find_problem(v, elements[0], f"{path}[{i}]") for i, v in entries
        )
        return next(filter(None, found))
    return f"{path}: expected {_description(hint)}, got {_shown(value)}."


def _fits(value: Any, hint: Any) -> bool:
    """Whether an option annotated with `hint` can have the value."""
    members = union_members(hint)
    if len(members) > 1:
        return any(_fits(value, member) for member in members)
    element = _element(hint)
    if element is not None:
        is_list = isinstance(value, list | tuple)
        return is_list and all(_fits(entry, element) for entry in value)
    if hint is Any or (is_section(hint) and isinstance(value, dict)):
        return True
    if hint in (int, float):
        allowed = (int, float) if hint is float else int
        return isinstance(value, allowed) and not isinstance(value, bool)
    return isinstance(value, typing.get_origin(hint) or hint)


def _description(hint: Any) -> str:
    members = union_members(hint)
    if len(members) > 1:
        return " or ".join(_description(member) for member in members)
    element = _element(hint)
    if element is not None:
        return f"a list of {_description(element)}"
    if is_section(hint):
        return "a section"
    return _WORDS.get(hint) or getattr(hint, "__name__", f"{hint}")


def _shown(value: Any) -> str:
    if isinstance(value, hyperparams.Config):
        value = value.as_dict()
    return f"the section {value}" if isinstance(value, dict) else repr(value)
