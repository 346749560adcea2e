"""Writes files as `torch.save` and safetensors do, by hand."""

import io
import json
import struct
import zipfile
from typing import Any, NamedTuple

import numpy as np

STORAGES = {
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
}
_SAFE = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64"}
_MAGIC = 0x1950A86A20F9469CFC6C


class Tensor(NamedTuple):
    """A tensor inside a one-dimensional storage, which others may share.

    `dtype` is what the numbers are called; those of "bfloat16" are uint16.
    """

    storage: np.ndarray
    dtype: str
    offset: int
    shape: Any
    steps: Any


def tensor(x, dtype=None):
    """An array in a storage of its own."""
    x = np.asarray(x, order="C")
    steps = tuple(stride // x.itemsize for stride in x.strides)
    return Tensor(x.reshape(-1), dtype or x.dtype.name, 0, x.shape, steps)


def tensors(arrays):
    return {name: tensor(x) for name, x in arrays.items()}


def bfloat16(x):
    """float32 to the upper halves of its bits, which must be exact."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    assert not np.any(bits & 0xFFFF)
    return (bits >> 16).astype(np.uint16)


def name(module, attribute):
    """The instruction that looks a name up."""
    return f"c{module}\n{attribute}\n".encode()


class Pickler:
    """Protocol 2, with the memory that pickles keep; tensors by storage."""

    def __init__(self, legacy=False):
        self.legacy, self.memory, self.storages = legacy, 0, {}

    def dumps(self, value):
        return b"\x80\x02" + self.value(value) + b"."

    def value(self, x):
        if isinstance(x, bytes):  # instructions
            return x
        if x is None or isinstance(x, bool):
            return {None: b"N", True: b"\x88", False: b"\x89"}[x]
        if isinstance(x, int):
            return self._integer(x)
        if isinstance(x, float):
            return b"G" + struct.pack(">d", x)
        if isinstance(x, str):
            text = x.encode()
            return self._put(b"X" + struct.pack("<I", len(text)) + text)
        if isinstance(x, Tensor):
            return self._tensor(x)
        if isinstance(x, tuple):
            return self._put(b"(" + self._all(x) + b"t")
        if isinstance(x, list):
            return self._put(b"]") + b"(" + self._all(x) + b"e"
        ordered = self._put(name("collections", "OrderedDict") + b")R")
        return ordered + b"(" + self._all(sum(x.items(), ())) + b"u"

    def _all(self, items):
        return b"".join(self.value(item) for item in items)

    def _integer(self, x):
        if abs(x) < 2**31:
            return b"J" + struct.pack("<i", x)
        size = x.bit_length() // 8 + 1
        digits = x.to_bytes(size, "little", signed=True)
        return b"\x8a" + bytes([size]) + digits

    def _put(self, instructions):
        self.memory += 1
        return instructions + b"r" + struct.pack("<I", self.memory)

    def _tensor(self, x):
        key = self.storages.setdefault(id(x.storage), (f"{id(x.storage)}", x))
        storage = name("torch", STORAGES[x.dtype])
        view = (None,) if self.legacy else ()
        place = ("storage", storage, key[0], "cpu", x.storage.size, *view)
        arguments = (
            self.value(place) + b"Q",
            x.offset,
            x.shape,
            x.steps,
            False,
            {},
        )
        function = name("torch._utils", "_rebuild_tensor_v2")
        return self._put(function + self.value(arguments) + b"R")


def zip_bytes(content, **changes):
    """The zip format; `changes` replace members, or remove them with None."""
    pickler = Pickler()
    members = {"data.pkl": pickler.dumps(content), "byteorder": b"little"}
    for key, stored in pickler.storages.values():
        members[f"data/{key}"] = stored.storage.tobytes()
    members |= {"version": b"3\n"} | changes
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, data in members.items():
            if data is not None:
                info = zipfile.ZipInfo(f"archive/{member}")
                # As theirs, which fill up to 64 bytes.
                info.extra = struct.pack("<HH", 0x4246, 21) + b"Z" * 21
                archive.writestr(info, data)
    return buffer.getvalue()


def legacy_bytes(content):
    """The format before PyTorch 1.6."""
    pickler = Pickler(legacy=True)
    system = {"protocol_version": 1001, "little_endian": True}
    parts = [Pickler().dumps(x) for x in (_MAGIC, 1001, system)]
    parts.append(pickler.dumps(content))
    keys = sorted(key for key, _ in pickler.storages.values())
    parts.append(Pickler().dumps(keys))
    by_key = {key: stored.storage for key, stored in pickler.storages.values()}
    for key in keys:
        parts += [struct.pack("<q", by_key[key].size), by_key[key].tobytes()]
    return b"".join(parts)


def safetensors_bytes(contiguous, **changes):
    """Of contiguous tensors; `changes` replace entries of the header."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for key, x in contiguous.items():
        values = x.storage.tobytes()
        header[key] = {
            "dtype": _SAFE[x.dtype],
            "shape": x.shape,
            "data_offsets": [len(data), len(data) + len(values)],
        }
        data += values
    text = json.dumps(header | changes).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data
