"""Files that stay in their folder and are there whole or not at all."""

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any, BinaryIO

_Path = str | os.PathLike


def file_in_folder(folder: _Path, name: str) -> pathlib.Path:
    """Path of a file that a JSON file names.

    Raises:
        ValueError: The name leads out of the folder, by itself or by a link.
        FileNotFoundError: There is no such file.
    """
    root = pathlib.Path(folder).resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise ValueError(f"The file name {name!r} leads out of {folder}.")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {name!r} in {folder}.")
    return path


def read_json(path: _Path) -> Any:
    """Content of a JSON file.

    Raises:
        ValueError: Names a file that is none (a json.JSONDecodeError, unless
            it is no text at all).
    """
    try:
        return json.loads(pathlib.Path(path).read_bytes())
    except json.JSONDecodeError as error:
        raise json.JSONDecodeError(
            f"{path} is no JSON file: {error.msg}", error.doc, error.pos
        ) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON file: {error}") from error


def write_json(path: _Path, content: Any) -> None:
    """Writes JSON, whole or not at all."""
    write_text(path, json.dumps(content, allow_nan=False))


def write_text(path: _Path, text: str) -> None:
    """Writes UTF-8, whole or not at all."""
    write_whole(path, lambda stream: stream.write(text.encode()))


def write_whole(path: _Path, write: Callable[[BinaryIO], Any]) -> None:
    """Writes a file under another name and renames it."""
    path = pathlib.Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as stream:
            write(stream)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def plain_name(name: str) -> str:
    """The name, if it can only name something in its own folder."""
    if not name or name in (".", "..") or set(name) & set("/\\:\0"):
        raise ValueError(f"{name!r} cannot be used as a file name.")
    return name
