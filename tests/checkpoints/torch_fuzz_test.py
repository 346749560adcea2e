"""Files that claim too much, and pickles made of random instructions."""

import io
import pickle
import pickletools
import struct
import sys
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from axial_deeplab.checkpoints.file_tensors import FileError
from axial_deeplab.checkpoints.torch_files import read_tensors
from axial_deeplab.checkpoints.torch_pickle import read_pickle
from tests.checkpoints import torch_writers as writers
from tests.checkpoints.torch_writers import tensor

STATE = {"a.weight": tensor(np.ones([2, 3], np.float32))}
_CLAIMED = 60 * 2**20  # below what a pickle or a header may have
_FEW_BYTES = 2**22


@pytest.fixture
def refused(tmp_path):
    """Asserts that a file of the bytes is refused, and little is needed."""

    def refused(data, message):
        path = tmp_path / "model.pth"
        path.write_bytes(data)
        tracemalloc.start()
        with pytest.raises(ValueError, match=message) as error:
            read_tensors(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < _FEW_BYTES and "\n" not in str(error.value)
        assert [one.name for one in tmp_path.iterdir()] == ["model.pth"]

    return refused


@pytest.mark.parametrize("write", [writers.zip_bytes, writers.legacy_bytes])
@pytest.mark.parametrize(
    "claim",
    [
        b"X" + struct.pack("<I", _CLAIMED),
        b"\x8d" + struct.pack("<Q", _CLAIMED),
        b"B" + struct.pack("<I", _CLAIMED),
        b"\x8b" + struct.pack("<I", _CLAIMED),
    ],
)
def test_texts_and_numbers_longer_than_the_file(refused, write, claim):
    refused(write({"a": claim + b"abc"}), "cannot be read: its pickle")


def test_headers_longer_than_the_file(refused):
    data = struct.pack("<Q", _CLAIMED) + b'{"a": 1}'
    refused(data, "ends within its header")


def test_members_longer_than_the_file(refused):
    data = bytearray(writers.zip_bytes(STATE))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        begin = archive.start_dir
    assert data[begin : begin + 4] == b"PK\x01\x02"
    # Both sizes of the first member, which is the pickle.
    data[begin + 20 : begin + 28] = struct.pack("<II", _CLAIMED, _CLAIMED)
    refused(bytes(data), "'archive/data.pkl' leaves the file")


def test_storages_outside_of_the_file(refused):
    """A key is no path: it is looked up among the members."""
    pickler = writers.Pickler()
    content = pickler.dumps(STATE)
    ((key, _),) = pickler.storages.values()
    outside = ("../" * 9)[: len(key)].encode()
    content = content.replace(key.encode(), outside)
    data = writers.zip_bytes(STATE, **{"data.pkl": content})
    refused(data, r"no member 'archive/data/\.\.")


# A module that says when it is imported, and calls that would be harmful.
_MARK = "axial_deeplab_imported_by_a_pickle"
_NAMES = [
    (_MARK, "run"),
    ("os", "system"),
    ("builtins", "exec"),
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch", "FloatStorage"),
]


@pytest.fixture
def marked(tmp_path, monkeypatch):
    (tmp_path / f"{_MARK}.py").write_text("def run(*_): raise SystemExit\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    assert _MARK not in sys.modules


def _argument(rng, kind):
    """Bytes of an argument, mostly well formed."""
    small = int(rng.integers(6))
    if kind is None:
        return b""
    texts = {
        "stringnl_noescape_pair": "\n".join(_NAMES[small]) + "\n",
        "stringnl_noescape": f"{small}\n",
        "stringnl": "'abc'\n",
        "unicodestringnl": "abc\n",
        "decimalnl_short": f"{small}\n",
        "decimalnl_long": f"{small}L\n",
        "floatnl": "1.5\n",
    }
    if kind.name in texts:
        return texts[kind.name].encode()
    if kind.n > 0:
        return small.to_bytes(kind.n, "little")
    size = {"1": "<B", "8": "<Q"}.get(kind.name[-1], "<I")
    text = _NAMES[small][int(rng.integers(2))].encode()
    return struct.pack(size, len(text)) + text


def _program(rng):
    """A pickle of random instructions, behind some that fill the stack."""
    parts = [b"\x80\x02}(]("]
    for _ in range(int(rng.integers(3, 40))):
        code = pickletools.opcodes[rng.integers(len(pickletools.opcodes))]
        parts.append(code.code.encode("latin-1") + _argument(rng, code.arg))
    return b"".join(parts) + b"."


def test_random_pickles_are_read_or_refused(marked):
    """Nothing is imported or called, and nothing takes long."""
    rng, refused, start = np.random.default_rng(6), 0, time.monotonic()
    for _ in range(3000):
        try:
            read_pickle(io.BytesIO(_program(rng)))
        except FileError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 1000 and time.monotonic() - start < 60


def test_every_instruction_of_pickles_is_read_or_refused(marked):
    """What Python writes by itself, in each of its protocols."""
    values = {"a": [1, 2.5, None, True, (), ("x", b"y"), 2**70], "b": {"c": -3}}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(values, protocol)
        try:
            assert read_pickle(io.BytesIO(data)) == values
        except FileError as error:
            # Older protocols write bytes as a call.
            assert protocol < 3 and "_codecs.encode" in str(error)
        with pytest.raises(FileError, match="asks for|has the instruction"):
            read_pickle(io.BytesIO(pickle.dumps({"a": print}, protocol)))
