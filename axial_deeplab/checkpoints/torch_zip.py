"""The zip format of PyTorch: a pickle and a member for each storage."""

import io
import os
import struct
import zipfile
from collections.abc import Callable
from typing import Any

from axial_deeplab.checkpoints.file_tensors import FileError, item_size
from axial_deeplab.checkpoints.torch_pickle import (
    MAX_BYTES,
    Storage,
    read_pickle,
)

MAGIC = b"PK"
_CHUNK_BYTES = 2**20
_LOCAL_HEADER = struct.Struct("<4s22xHH")


def read_zip(path: str) -> tuple[Any, Callable[[Storage], int]]:
    """What the pickle describes, and where in the file storages begin.

    Raises:
      FileError: it is not what `torch.save` writes.
    """
    with zipfile.ZipFile(path) as archive:
        members = _members(archive, os.path.getsize(path))
        found = [name for name in members if name.endswith("/data.pkl")]
        if len(found) != 1:
            raise FileError(f"it has {len(found)} members data.pkl")
        if members[found[0]].file_size > MAX_BYTES:
            raise FileError(f"its pickle has over {MAX_BYTES} bytes")
        root = found[0].removesuffix("data.pkl")
        order = members.get(f"{root}byteorder")
        if order and archive.read(order) != b"little":
            raise FileError("its numbers are big-endian")
        pickle = archive.read(members[found[0]])

    def locate(storage: Storage) -> int:
        name = f"{root}data/{storage.key}"
        if name not in members:
            raise FileError(f"it has no member {name!r:.60}")
        size = storage.count * item_size(storage.dtype)
        if members[name].file_size < size:
            raise FileError(f"the member {name!r:.60} is too small")
        return _first_byte(path, members[name])

    return read_pickle(io.BytesIO(pickle)), locate


def _members(
    archive: zipfile.ZipFile, file_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    """By name; `torch.save` compresses none of them."""
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename
        if name in found:
            raise FileError(f"the member {name!r:.60} is there twice")
        if name.startswith("/") or ".." in name.split("/") or "\\" in name:
            raise FileError(f"the member {name!r:.60} points outside")
        if (
            member.compress_type != zipfile.ZIP_STORED
            or member.file_size != member.compress_size
        ):
            raise FileError(
                f"the member {name!r:.60} is compressed, as PyTorch never does"
            )
        if member.header_offset + member.file_size > file_bytes:
            raise FileError(f"the member {name!r:.60} leaves the file")
        found[name] = member
    return found


def _first_byte(path: str, member: zipfile.ZipInfo) -> int:
    """Where a member begins, once its checksum has been compared."""
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        while file.read(_CHUNK_BYTES):
            pass
    with open(path, "rb") as file:
        file.seek(member.header_offset)
        header = file.read(_LOCAL_HEADER.size)
    _, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(header)
    return member.header_offset + len(header) + name_bytes + extra_bytes
