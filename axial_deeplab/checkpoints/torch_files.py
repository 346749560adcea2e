"""Reads PyTorch's files, zip and legacy, and safetensors, without PyTorch.

Tensors stay in the file until they are asked for; every size is compared with
that of the file before anything is read. Nothing is unpacked to a folder.
"""

import contextlib
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from axial_deeplab.checkpoints import torch_legacy, torch_zip
from axial_deeplab.checkpoints.file_tensors import (
    FileError,
    FileTensor,
    check_counts,
    check_shape,
    item_size,
    reach,
)
from axial_deeplab.checkpoints.safetensors_files import (
    is_safetensors,
    read_safetensors,
)
from axial_deeplab.checkpoints.torch_pickle import Storage, TensorView

# Where a training run keeps the weights among other things.
_PLACES = ("state_dict", "model", "model_state_dict")
_PREFIX = "module."  # of models that were trained on several devices


def read_tensors(path: str | os.PathLike) -> dict[str, FileTensor]:
    """The state dictionary of a file, by name.

    Args:
      path: of a file that `torch.save` wrote, in either of its formats, or of
        a safetensors file.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is none of these, damaged, or holds anything but numbers,
        texts, containers and tensors.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {path}.")
    with open(path, "rb") as file:
        head = file.read(16)
    with _named(path):
        if is_safetensors(head):
            return read_safetensors(path)
        if head.startswith(torch_zip.MAGIC):
            content, locate = torch_zip.read_zip(path)
        elif head.startswith(torch_legacy.MAGIC):
            content, locate = torch_legacy.read_legacy(path)
        else:
            raise FileError("it is neither of PyTorch nor of safetensors")
        return _state_dict(content, locate, path)


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """Errors become one line that names the file."""
    try:
        yield
    except FileError as error:
        raise ValueError(f"{path} cannot be read: {error}.") from error
    except (
        ArithmeticError,
        EOFError,
        LookupError,
        OSError,  # of places that no file has
        RuntimeError,
        ValueError,
        struct.error,
        zipfile.BadZipFile,
    ) as error:
        words = " ".join(f"{error}".split())
        raise ValueError(
            f"{path} cannot be read: it is damaged ({words:.80})."
        ) from error


def _state_dict(
    content: Any, locate: Callable[[Storage], int], path: str
) -> dict[str, FileTensor]:
    """The dictionary of tensors in what a file holds."""
    for place in _PLACES:
        if isinstance(content, dict) and isinstance(content.get(place), dict):
            content = content[place]
    if not isinstance(content, dict) or not content:
        raise FileError("it holds no dictionary of tensors")
    for name, value in content.items():
        if type(name) is not str or not isinstance(value, TensorView):
            raise FileError(
                f"{name!r:.60} in it is no tensor, so that it is no state "
                "dictionary"
            )
    file_bytes, places = os.path.getsize(path), {}

    def tensor(view: TensorView) -> FileTensor:
        _check_view(view, file_bytes)
        storage = view.storage
        if storage not in places:
            places[storage] = locate(storage)
        first = (storage.offset + view.offset) * item_size(storage.dtype)
        return FileTensor(
            path,
            storage.dtype,
            view.shape,
            places[storage] + first,
            view.steps,
        )

    wrapped = all(name.startswith(_PREFIX) for name in content)
    begin = len(_PREFIX) if wrapped else 0
    return {name[begin:]: tensor(view) for name, view in content.items()}


def _check_view(view: TensorView, file_bytes: int) -> None:
    """Refuses tensors that are not inside of their storage."""
    storage = view.storage
    check_shape(view.shape, storage.dtype, file_bytes)
    counts = (*view.steps, view.offset, storage.offset, storage.count)
    check_counts(counts, file_bytes)
    if len(view.steps) != len(view.shape):
        raise FileError("a tensor in it has no step for each axis")
    end = storage.offset + view.offset + reach(view.shape, view.steps)
    if end > storage.count:
        raise FileError("a tensor in it leaves its storage")
