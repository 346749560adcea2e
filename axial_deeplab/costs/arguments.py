"""What a person writes for sizes and options of models."""

import ast
from typing import Any


def parse_size(text: str, flag: str = "--size") -> tuple[int, int]:
    """Height and width that stand in "1025x2049".

    Raises:
      ValueError: that is no size.
    """
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise ValueError(
            f"{flag} must be HEIGHTxWIDTH in pixels; got {text!r}."
        )
    size = int(height), int(width)
    if 0 in size:
        raise ValueError(f"{flag} must have pixels; got {text!r}.")
    return size


def parse_option(text: str, flag: str = "--options") -> tuple[str, Any]:
    """Name and value in "span=65"; what is no Python value is a string.

    Raises:
      ValueError: there is no name or no value.
    """
    name, _, value = (part.strip() for part in text.partition("="))
    if not (name and value):
        raise ValueError(f"{flag} must be name=value pairs; got {text!r}.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
