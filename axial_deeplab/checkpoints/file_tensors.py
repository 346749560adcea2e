"""Tensors that lie in files, and are read when they are asked for."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

_BFLOAT16 = "bfloat16"  # not one of NumPy's
# Little-endian, as all files here are.
_NUMPY = {
    "float32": "<f4",
    "float16": "<f2",
    _BFLOAT16: "<u2",
    "float64": "<f8",
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "|i1",
    "uint8": "|u1",
    "bool": "|b1",
}
_MAX_AXES = 32


class FileError(ValueError):
    """A file is refused; the message says why, and not which."""


def item_size(dtype: str) -> int:
    """Bytes of one number."""
    return np.dtype(_NUMPY[dtype]).itemsize


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Steps of a tensor of this shape without gaps, in numbers."""
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step *= size
    return tuple(reversed(steps))


@dataclasses.dataclass(frozen=True)
class FileTensor:
    """Where in a file a tensor lies.

    Attributes:
      path: of the file.
      dtype: of the numbers in it, by NumPy's name, or "bfloat16".
      shape: of the tensor.
      start: byte of its first number.
      steps: from number to number along each axis, in numbers.
    """

    path: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    steps: tuple[int, ...]

    def read(self) -> np.ndarray:
        """The values; "bfloat16" as float32.

        Raises:
          FileError: the file has become shorter.
        """
        size = reach(self.shape, self.steps) * item_size(self.dtype)
        with open(self.path, "rb") as file:
            file.seek(self.start)
            data = file.read(size)
        if len(data) < size:
            raise FileError("it ends before its tensors do")
        numbers = np.frombuffer(data, _NUMPY[self.dtype])
        if self.dtype == _BFLOAT16:
            numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
        strides = [step * numbers.itemsize for step in self.steps]
        return np.lib.stride_tricks.as_strided(
            numbers, self.shape, strides, writeable=False
        )


def reach(shape: tuple[int, ...], steps: tuple[int, ...]) -> int:
    """Numbers from the first to the last one of a tensor."""
    if 0 in shape:
        return 0
    return 1 + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))


def check_shape(shape: tuple[int, ...], dtype: str, file_bytes: int) -> None:
    """Refuses what no shape is, or one larger than its whole file.

    Raises:
      FileError: it is one of these.
    """
    if len(shape) > _MAX_AXES:
        raise FileError(f"a tensor in it has {len(shape)} axes")
    # One by one first: products of huge numbers would take long.
    check_counts(shape, file_bytes)
    if math.prod(shape) * item_size(dtype) > file_bytes:
        raise FileError(
            f"a tensor in it claims the shape {list(shape)}, which is larger "
            "than the file"
        )


def check_counts(counts: Sequence[int], file_bytes: int) -> None:
    """Refuses what does not count numbers or bytes of the file.

    Raises:
      FileError: it is no number, negative or larger than the file.
    """
    for count in counts:
        if type(count) is not int or not 0 <= count <= file_bytes:
            raise FileError("a size or a place in it is none")
