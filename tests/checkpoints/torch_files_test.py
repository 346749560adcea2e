"""Files of PyTorch, written by hand, are read; nothing else is."""

import io
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from axial_deeplab.checkpoints.torch_files import read_tensors
from tests.checkpoints import torch_writers as writers
from tests.checkpoints.torch_writers import Tensor, tensor

VALUES = np.array([[1.5, -2.0, 0.25], [96.0, 0.0, -0.125]], np.float32)
BY_TYPE = {
    "float32": tensor(VALUES),
    "float16": tensor(VALUES.astype(np.float16)),
    "bfloat16": tensor(writers.bfloat16(VALUES), "bfloat16"),
}
TORCH = {"zip": writers.zip_bytes, "legacy": writers.legacy_bytes}
FORMATS = TORCH | {"safetensors": writers.safetensors_bytes}
STATE = {"a.weight": tensor(VALUES), "a.count": tensor(np.array(7))}


@pytest.fixture
def read(tmp_path):
    """Reads a file of the given bytes."""

    def read(data):
        path = tmp_path / "model.pth"
        path.write_bytes(data)
        return read_tensors(path)

    return read


@pytest.mark.parametrize("kind", FORMATS)
def test_all_number_types(read, kind):
    found = read(FORMATS[kind](BY_TYPE | {"steps": tensor(np.array(2**40))}))
    assert list(found) == [*BY_TYPE, "steps"]
    for name in BY_TYPE:
        assert found[name].dtype == name
        np.testing.assert_array_equal(found[name].read(), VALUES)
    assert found["steps"].dtype == "int64" and found["steps"].shape == ()
    assert found["steps"].read() == 2**40


@pytest.mark.parametrize("kind", TORCH)
def test_shared_storages_and_steps(read, kind):
    storage = np.arange(24, dtype=np.float32)
    whole = storage.reshape(4, 6)
    views = {
        "whole": (whole, Tensor(storage, "float32", 0, (4, 6), (6, 1))),
        "turned": (whole.T, Tensor(storage, "float32", 0, (6, 4), (1, 6))),
        "row": (whole[2], Tensor(storage, "float32", 12, (6,), (1,))),
        "sparse": (
            whole[1::2, 1::3],
            Tensor(storage, "float32", 7, (2, 2), (12, 3)),
        ),
        "repeated": (
            np.broadcast_to(whole[3, 5], (3,)),
            Tensor(storage, "float32", 23, (3,), (0,)),
        ),
        "empty": (whole[:0], Tensor(storage, "float32", 0, (0, 6), (6, 1))),
    }
    data = TORCH[kind]({name: view for name, (_, view) in views.items()})
    assert len(data) < 3000  # the numbers are there once
    found = read(data)
    for name, (expected, _) in views.items():
        np.testing.assert_array_equal(found[name].read(), expected, name)


@pytest.mark.parametrize("kind", TORCH)
def test_weights_among_what_a_training_run_keeps(read, kind):
    state = {f"module.{name}": x for name, x in STATE.items()}
    momentum = {"buffers": [tensor(VALUES), (tensor(VALUES),)], 3: 0.9}
    run = {"epoch": 4, "meta": {"classes": ("a", "b"), "time": None}}
    run |= {"state_dict": state, "optimizer": momentum}
    found = read(TORCH[kind](run))
    assert list(found) == list(STATE)
    np.testing.assert_array_equal(found["a.weight"].read(), VALUES)


# An instruction list that would make a file, and some that would do worse.
def _command(path, module="os"):
    call = writers.name(module, "system") + b"(X"
    text = f"touch {path}".encode()
    return call + struct.pack("<I", len(text)) + text + b"tR"


@pytest.mark.parametrize("kind", TORCH)
@pytest.mark.parametrize("place", ["state", "tensor", "attributes", "storage"])
def test_commands_are_refused_and_not_run(read, tmp_path, kind, place):
    mark = tmp_path / "done"
    command = _command(mark)
    evil = {
        "state": {"state_dict": {"a": command}},
        "tensor": {"a": Tensor(VALUES, "float32", command, (6,), (1,))},
        "attributes": {"a": tensor(VALUES), "b": b"}" + command + b"b"},
        "storage": {"a": b"(X\x07\x00\x00\x00storage" + command + b"tQ"},
    }
    with pytest.raises(ValueError, match="asks for 'os.system'") as error:
        read(TORCH[kind](evil[place]))
    assert "\n" not in str(error.value) and "model.pth" in str(error.value)
    assert not mark.exists()


NAMES = [
    ("posix", "system"),
    ("builtins", "eval"),
    ("torch", "load"),
    ("torch.storage", "_load_from_bytes"),
    ("collections", "deque"),
    ("numpy.core.multiarray", "_reconstruct"),
]


@pytest.mark.parametrize(("module", "attribute"), NAMES)
def test_other_names_are_refused(read, module, attribute):
    by_line = writers.name(module, attribute)
    texts = (
        b"\x8c" + bytes([len(x)]) + x.encode() for x in (module, attribute)
    )
    for instructions in (by_line, b"".join(texts) + b"\x93"):
        with pytest.raises(ValueError, match=f"for '{module}.{attribute}'"):
            read(writers.zip_bytes({"a": instructions}))


def test_other_instructions_are_refused(read):
    build = b"ccollections\nOrderedDict\n)\x81"
    for instructions in (build, b"\x82\x01", b"(icollections\nOrderedDict\n"):
        with pytest.raises(ValueError, match="has the instruction"):
            read(writers.zip_bytes({"a": instructions}))


def test_what_would_take_for_ever_does_not(read):
    """Tuples of the same tuples: small in memory, endless to walk or hash."""
    doubled = b"(t" + b"".join(b"2\x86" for _ in range(60))
    shared = b")" + b"".join(
        b"r"
        + struct.pack("<I", i)
        + b"0"
        + 2 * (b"j" + struct.pack("<I", i))
        + b"\x86"
        for i in range(60)
    )
    bomb = shared.replace(b"0j", b"j", 1)
    start = time.monotonic()
    for part in (doubled, shared, bomb, b"}" + shared + b"Ns", shared + b")R"):
        with pytest.raises(ValueError, match="cannot be read"):
            read(writers.zip_bytes({"a": part}))
    assert time.monotonic() - start < 5


SIZES = [(2**40,), (2**20, 2**20), (-1,), (2.0,), ("a",), (7,), (2**2000,) * 9]


@pytest.mark.parametrize("kind", TORCH)
@pytest.mark.parametrize("shape", SIZES, ids=lambda x: f"{x!s:.20}")
def test_sizes_are_checked_before_anything_is_read(read, kind, shape):
    steps = (0,) * len(shape) if shape != (7,) else (1,)
    wrong = Tensor(VALUES.reshape(-1), "float32", 0, shape, steps)
    data = TORCH[kind]({"a": wrong})
    tracemalloc.start()
    with pytest.raises(ValueError, match="cannot be read: a (tensor|size)"):
        read(data)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


WRONG_ENTRIES = {
    "long": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]},
    "short": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 20]},
    "before": {"dtype": "F32", "shape": [2, 3], "data_offsets": [-24, 0]},
    "words": {"dtype": "F32", "shape": "ab", "data_offsets": [0, 24]},
    "type": {"dtype": "C64", "shape": [3], "data_offsets": [0, 24]},
    "huge": {"dtype": "F32", "shape": [2**40] * 9, "data_offsets": [0, 24]},
    "none": 3,
}


@pytest.mark.parametrize("kind", WRONG_ENTRIES)
def test_wrong_safetensors_are_refused(read, kind):
    data = writers.safetensors_bytes(STATE, x=WRONG_ENTRIES[kind])
    with pytest.raises(ValueError, match="model.pth cannot be read: a"):
        read(data)


def _archive(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def test_zip_bombs_are_refused(read):
    zeros = [("archive/data.pkl", bytes(2**24))]
    data = _archive(zeros, zipfile.ZIP_DEFLATED)
    assert len(data) < 2**16
    with pytest.raises(ValueError, match="'archive/data.pkl' is compressed"):
        read(data)


@pytest.mark.parametrize("name", ["../a", "/etc/a", "archive/../../a", "a\\b"])
def test_paths_outside_are_refused(read, tmp_path, name):
    data = _archive([("archive/data.pkl", b"N."), (name, b"x")])
    with pytest.raises(ValueError, match="points outside"):
        read(data)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pth"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither of PyTorch"),
        (b"# weights\n" * 9, "neither of PyTorch"),
        (b"\x80\x02K\x01.", "not one of PyTorch"),
        (writers.zip_bytes([tensor(VALUES)]), "no dictionary"),
        (writers.zip_bytes({}), "no dictionary"),
        (writers.zip_bytes({"a": 3}), "'a' in it is no tensor"),
        (writers.zip_bytes({1: tensor(VALUES)}), "1 in it is no tensor"),
        (writers.zip_bytes(STATE, byteorder=b"big"), "big-endian"),
        (writers.zip_bytes(STATE, **{"data.pkl": None}), "0 members data"),
        (writers.zip_bytes(STATE, **{"x/data.pkl": b"N."}), "2 members data"),
    ],
)
def test_other_files_are_refused(read, data, message):
    with pytest.raises(ValueError, match=f"model.pth cannot be.*{message}"):
        read(data)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file .*none.pth"):
        read_tensors(tmp_path / "none.pth")


def test_changed_numbers_of_a_zip_are_noticed(read):
    data = bytearray(writers.zip_bytes(STATE))
    data[data.index(VALUES.tobytes())] ^= 1
    with pytest.raises(ValueError, match="damaged .*CRC"):
        read(bytes(data))


@pytest.mark.parametrize("kind", FORMATS)
def test_truncated_files_are_refused(read, kind):
    data = FORMATS[kind](STATE)
    for length in range(0, len(data), 7):
        with pytest.raises(ValueError, match="cannot be read") as error:
            read(data[:length])
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", FORMATS)
def test_changed_files_are_read_or_refused(read, kind):
    """Seeded: bytes changed, cut out or doubled; nothing else may happen."""
    rng = np.random.default_rng(5)
    original = FORMATS[kind](STATE | {"b": BY_TYPE["bfloat16"]})
    refused = 0
    for _ in range(300):
        data = bytearray(original)
        for _ in range(rng.integers(1, 4)):
            place = rng.integers(len(data))
            change = rng.integers(3)
            if change == 0:
                data[place] = rng.integers(256)
            elif change == 1:
                del data[place : place + rng.integers(1, 9)]
            else:
                data[place:place] = data[place : place + rng.integers(1, 9)]
        try:
            found = read(bytes(data))
            size = sum(x.read().nbytes for x in found.values())
            assert size <= 8 * len(data)
        except ValueError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 50
