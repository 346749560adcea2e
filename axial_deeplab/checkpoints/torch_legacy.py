"""The format of PyTorch before 1.6: pickles, then storage after storage."""

import os
import struct
from collections.abc import Callable
from typing import Any

from axial_deeplab.checkpoints.file_tensors import (
    FileError,
    check_counts,
    item_size,
)
from axial_deeplab.checkpoints.torch_pickle import (
    Storage,
    TensorView,
    containers,
    read_pickle,
)

MAGIC = b"\x80"  # of any pickle
_NUMBER, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_COUNT = struct.Struct("<q")


def read_legacy(path: str) -> tuple[Any, Callable[[Storage], int]]:
    """What the pickle describes, and where in the file storages begin.

    Raises:
      FileError: it is not what `torch.save` wrote.
    """
    with open(path, "rb") as file:
        if read_pickle(file) != _NUMBER:
            raise FileError("it is a pickle, but not one of PyTorch")
        if read_pickle(file) != _VERSION:
            raise FileError("it is of an unknown version of PyTorch")
        system = read_pickle(file)
        if not isinstance(system, dict) or not system.get("little_endian"):
            raise FileError("its numbers are big-endian")
        content, keys = read_pickle(file), read_pickle(file)
        if not isinstance(keys, list):
            raise FileError("it has no list of storages")
        dtypes = _dtypes(content)
        places = _places(file, keys, dtypes, os.path.getsize(path))

    def locate(storage: Storage) -> int:
        if storage.key not in places:
            raise FileError(f"it has no storage {storage.key!r:.60}")
        first, count = places[storage.key]
        if storage.count > count or storage.dtype != dtypes[storage.key]:
            raise FileError(f"the storage {storage.key!r:.60} is another")
        return first

    return content, locate


def _places(
    file: Any, keys: list[str], dtypes: dict[str, str], file_bytes: int
) -> dict[str, tuple[int, int]]:
    """First byte and length of each storage behind the pickles."""
    places = {}
    for key in keys:
        if type(key) is not str or key not in dtypes:
            raise FileError("it has a storage that nobody uses")
        (count,) = _COUNT.unpack(file.read(_COUNT.size))
        check_counts([count], file_bytes)
        first = file.tell()
        end = first + count * item_size(dtypes[key])
        if end > file_bytes:
            raise FileError("it ends before its tensors do")
        places[key] = first, count
        file.seek(end)
    return places


def _dtypes(content: Any) -> dict[str, str]:
    """Types of the storages that tensors in the content use, by key."""
    return {
        value.storage.key: value.storage.dtype
        for container in containers(content)
        for _, value in container
        if isinstance(value, TensorView)
    }
