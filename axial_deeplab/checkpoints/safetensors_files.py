"""Reads safetensors files: a length, a JSON header, numbers."""

import json
import math
import os
from typing import Any

from axial_deeplab.checkpoints.file_tensors import (
    FileError,
    FileTensor,
    check_counts,
    check_shape,
    contiguous,
    item_size,
)

_MAX_HEADER_BYTES = 2**26
_LENGTH_BYTES = 8
_DTYPES = {
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F64": "float64",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins so may be one."""
    length = int.from_bytes(head[:_LENGTH_BYTES], "little")
    return head[_LENGTH_BYTES:][:1] == b"{" and length <= _MAX_HEADER_BYTES


def read_safetensors(path: str) -> dict[str, FileTensor]:
    """The tensors of a file by name.

    Raises:
      FileError: it is damaged.
    """
    file_bytes = os.path.getsize(path)
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        begin = _LENGTH_BYTES + length
        if begin > file_bytes:
            raise FileError("it ends within its header")
        header = file.read(length)
    try:
        entries = json.loads(header, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise FileError(f"its header is damaged ({error!s:.80})") from error
    if not isinstance(entries, dict):
        raise FileError("its header is no dictionary")
    entries.pop("__metadata__", None)
    return {
        name: _tensor(path, entry, begin, file_bytes)
        for name, entry in entries.items()
    }


def _tensor(path: str, entry: Any, begin: int, file_bytes: int) -> FileTensor:
    try:
        dtype, shape = _DTYPES[entry["dtype"]], tuple(entry["shape"])
        first, last = entry["data_offsets"]
    except (LookupError, TypeError, ValueError) as error:
        raise FileError("an entry of its header is no tensor") from error
    check_shape(shape, dtype, file_bytes)
    check_counts((first, last), file_bytes - begin)
    if last - first != math.prod(shape) * item_size(dtype):
        raise FileError("a tensor in it has another size than its numbers")
    return FileTensor(path, dtype, shape, begin + first, contiguous(shape))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise FileError("a name stands twice in its header")
    return found
