"""Anyone's own data set, described by a YAML file.

    name: boats                 # default: name of the file
    ignore_label: 255           # class of void; default 255
    label_divisor: 1000         # most instances of a class, plus 1; default
    classes:
      - {id: 0, name: water, thing: no}
      - {id: 1, name: boat, thing: yes, original_id: 7, colour: [220, 20, 60]}

`id` is what a model predicts, from 0 on (or from 1 on, with `ignore_label: 0`);
`original_id`, by default the same, is what the label files hold.
"""

import colorsys
import pathlib
from typing import Any

import yaml

from axial_deeplab.data.class_tables import ClassSpec, DatasetSpec

SUFFIXES = (".yaml", ".yml")
_FIELDS = {"name", "ignore_label", "label_divisor", "classes"}
_CLASS_FIELDS = {"id", "name", "thing", "original_id", "colour"}
_GOLDEN_RATIO = 0.6180339887498949


def read_spec(path: str) -> DatasetSpec:
    """The data set that a YAML file describes.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is no such description; names the file and the entry.
    """
    file = pathlib.Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"No description of a data set {path}.")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no YAML file: {error}.") from error
    try:
        return _spec(content, default_name=file.stem)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _spec(content: Any, default_name: str) -> DatasetSpec:
    _check_fields(content, _FIELDS, {"classes"}, "The file")
    rows = content["classes"]
    if not isinstance(rows, list) or not rows:
        raise ValueError("`classes` must be a list of at least one class.")
    classes = tuple(_class(row, index) for index, row in enumerate(rows))
    divisor = _whole(content.get("label_divisor", 1000), "label_divisor", 2)
    return DatasetSpec(
        name=_text(content.get("name", default_name), "name"),
        classes=classes,
        num_classes=max(one.id for one in classes) + 1,
        ignore_label=_whole(content.get("ignore_label", 255), "ignore_label"),
        label_divisor=divisor,
    )


def _class(row: Any, index: int) -> ClassSpec:
    where = f"Class {index} of `classes`"
    _check_fields(row, _CLASS_FIELDS, {"id", "name", "thing"}, where)
    if not isinstance(row["thing"], bool):
        raise ValueError(
            f"{where}: `thing` must be yes or no; got {row['thing']!r}."
        )
    number = _whole(row["id"], f"{where}: `id`")
    return ClassSpec(
        id=number,
        original_id=_whole(row.get("original_id", number), f"{where}: id"),
        name=_text(row["name"], f"{where}: `name`"),
        is_thing=row["thing"],
        colour=_colour(row.get("colour"), number, where),
    )


def _check_fields(
    content: Any, known: set[str], needed: set[str], where: str
) -> None:
    if not isinstance(content, dict):
        raise ValueError(f"{where} must hold `field: value` pairs.")
    for field in sorted(needed - set(content)):
        raise ValueError(f"{where} lacks `{field}`.")
    for field in set(content) - known:
        raise ValueError(
            f"{where} has the unknown field {field!r}; known are "
            f"{', '.join(sorted(known))}."
        )


def _whole(value: Any, what: str, smallest: int = 0) -> int:
    if type(value) is not int or value < smallest:
        raise ValueError(
            f"{what} must be a whole number from {smallest} on; got {value!r}."
        )
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} must be text; got {value!r}.")
    return value


def _colour(value: Any, number: int, where: str) -> tuple[int, int, int]:
    if value is None:
        # Neighbours on the wheel are far apart, and none is black.
        share = colorsys.hsv_to_rgb(number * _GOLDEN_RATIO % 1, 0.7, 0.9)
        return tuple(round(255 * part) for part in share)
    whole = isinstance(value, list) and len(value) == 3
    if not whole or any(type(x) is not int or not 0 <= x < 256 for x in value):
        raise ValueError(
            f"{where}: `colour` must be three numbers 0..255; got {value!r}."
        )
    return tuple(value)
