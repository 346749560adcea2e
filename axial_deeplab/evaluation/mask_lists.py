"""Text files that list the predicted masks of an image.

Each line is `path label score`, parted by single blanks. Paths are relative to
the text file and stay in the folder of the results.
"""

import logging
import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

from axial_deeplab.evaluation.whole_files import file_in_folder

_Path = str | os.PathLike
_log = logging.getLogger(__name__)


class MaskLine(NamedTuple):
    """One line."""

    path: pathlib.Path
    label_id: int
    score: float


def read_mask_list(
    path: _Path,
    root: _Path,
    read_label: Callable[[str], int],
    comment: str | None = None,
) -> list[MaskLine]:
    """The lines of a file.

    Of lines with one mask the last counts, at the place of the first, as in the
    script of Cityscapes; a warning names it.

    Args:
        path: The text file.
        root: The folder that no path may leave.
        read_label: Makes a label id of the second field.
        comment: Start of lines to leave out; blanks around a line are then
            allowed, too.

    Raises:
        FileNotFoundError: There is no such file or mask.
        ValueError: A line has other fields, or its path is absolute or leads
            out of the folder.
    """
    path = pathlib.Path(path)
    found: dict[pathlib.Path, MaskLine] = {}
    for number, line in enumerate(_lines(path), start=1):
        where = f"{path}, line {number}:"
        if comment is not None:
            line = line.strip()
            if line.startswith(comment):
                continue
        one = _mask_line(line, path, root, read_label, where)
        if one.path in found:
            _log.warning("%s %s comes twice: last wins.", where, one.path.name)
        found[one.path] = one
    return list(found.values())


def _lines(path: pathlib.Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text file: {error}") from error
    return text.removesuffix("\n").split("\n") if text else []


def _mask_line(
    line: str,
    path: pathlib.Path,
    root: _Path,
    read_label: Callable[[str], int],
    where: str,
) -> MaskLine:
    fields = line.split(" ")
    if len(fields) != 3:
        raise ValueError(
            f"{where} Invalid prediction file. Expected content: "
            f"relPathPrediction labelIDPrediction confidencePrediction"
        )
    name, label, score = fields
    mask = _mask_path(path, name, root, where)
    try:
        return MaskLine(mask, read_label(label), float(score))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{where} bad label or score: {error}") from error


def _mask_path(
    path: pathlib.Path, name: str, root: _Path, where: str
) -> pathlib.Path:
    if os.path.isabs(name):
        raise ValueError(
            f"{where} Invalid prediction file. First entry in each line must "
            f"be a relative path, not {name}."
        )
    below = os.path.relpath(path.parent.resolve(), pathlib.Path(root).resolve())
    try:
        return file_in_folder(root, os.path.join(below, name))
    except ValueError as error:
        raise ValueError(
            f"{where} Predicted mask {name} points outside of prediction path "
            f"{root}."
        ) from error
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{where} there is no mask {name}.") from error
