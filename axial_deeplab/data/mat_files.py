"""Integer matrices in MATLAB 5 files, which Pascal Context comes in.

Only what that needs is read: a real matrix of whole numbers, compressed or
not, in the byte order of all common machines.
"""

import pathlib
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

_HEADER_BYTES = 128
_COMPRESSED, _MATRIX = 15, 14
_DTYPES = {
    1: "<i1",
    2: "<u1",
    3: "<i2",
    4: "<u2",
    5: "<i4",
    6: "<u4",
    7: "<f4",
    9: "<f8",
}


class _Element(NamedTuple):
    kind: int
    content: bytes


def read_matrix(path: pathlib.Path, name: str) -> np.ndarray:
    """The matrix of that name, int32 [H, W].

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is no such file, damaged, or has no such matrix.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No MATLAB file {path}.")
    content = path.read_bytes()
    try:
        if content[126:128] != b"IM":
            raise ValueError("not a little-endian MATLAB 5 file")
        for matrix in _matrices(content[_HEADER_BYTES:]):
            found, values = _named(matrix)
            if found == name and values is not None:
                return values
    except (ValueError, struct.error, zlib.error, KeyError) as error:
        raise ValueError(
            f"{path} is no readable MATLAB 5 file: {error}."
        ) from error
    raise ValueError(f"{path} holds no matrix {name}.")


def _matrices(content: bytes) -> Iterator[bytes]:
    for element in _elements(content, padded=False):
        if element.kind == _COMPRESSED:
            yield from _matrices(zlib.decompress(element.content))
        elif element.kind == _MATRIX:
            yield element.content


def _elements(content: bytes, padded: bool = True) -> Iterator[_Element]:
    position = 0
    while position + 8 <= len(content):
        kind, size = struct.unpack_from("<II", content, position)
        if kind >> 16:  # up to four bytes lie in the tag itself
            kind, size, start = kind & 0xFFFF, kind >> 16, position + 4
            position += 8
        else:
            start = position + 8
            position = start + (-(-size // 8) * 8 if padded else size)
        if start + size > len(content):
            raise ValueError("it ends too early")
        yield _Element(kind, content[start : start + size])


def _named(matrix: bytes) -> tuple[str, np.ndarray | None]:
    """Name and values of a matrix; no values where it is no plain one."""
    flags, sizes, name, *values = _elements(matrix)
    text = name.content.decode("ascii", "replace")
    is_complex = flags.content[1] & 8
    if not values or values[0].kind not in _DTYPES or is_complex:
        return text, None
    shape = np.frombuffer(sizes.content, "<i4")
    numbers = np.frombuffer(values[0].content, _DTYPES[values[0].kind])
    # MATLAB's matrices lie in memory column by column.
    numbers = numbers.reshape(shape, order="F")
    if numbers.ndim != 2 or not np.array_equal(numbers, np.round(numbers)):
        raise ValueError(f"{text} is no matrix of whole numbers")
    return text, numbers.astype(np.int32)
