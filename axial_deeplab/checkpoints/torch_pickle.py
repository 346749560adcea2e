"""Reads the pickles of PyTorch without running them.

A pickle is a program. Here its instructions are followed one by one: those
that make numbers, texts, tuples, lists and dictionaries, and those by which
PyTorch describes tensors. Nothing is imported, nothing is called; whatever else
a pickle asks for is refused.
"""

import os
import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

from axial_deeplab.checkpoints.file_tensors import FileError

MAX_BYTES = 2**26


class Storage(NamedTuple):
    """Numbers in a row, to which tensors point; `offset` of a view of them."""

    key: str
    dtype: str
    count: int
    offset: int = 0


class TensorView(NamedTuple):
    """A tensor inside a storage; sizes are unchecked."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    steps: tuple[int, ...]


class _Global(NamedTuple):
    """A name that a pickle mentions."""

    module: str
    name: str


def read_pickle(file: BinaryIO) -> Any:
    """What the pickle at the position of `file` describes.

    Tensors are `TensorView`s, storages `Storage`s.

    Raises:
      FileError: it describes something else, or is damaged.
    """
    reader = _Reader()
    try:
        for opcode, argument, _ in pickletools.genops(_Bounded(file)):
            if opcode.name == "STOP":
                return reader.pop()
            reader.step(opcode.name, argument)
    except FileError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise FileError(f"its pickle is damaged ({error!r:.80})") from error
    raise FileError("its pickle does not end")


def containers(content: Any) -> list[list[tuple[Any, Any]]]:
    """Keys and values of all containers inside, however they are nested."""
    found: dict[int, list[tuple[Any, Any]]] = {}
    waiting = [content]
    while waiting:
        one = waiting.pop()
        if id(one) in found or type(one) not in (dict, list, tuple):
            continue
        pairs = one.items() if type(one) is dict else enumerate(one)
        found[id(one)] = list(pairs)
        waiting.extend(value for _, value in found[id(one)])
    return list(found.values())


class _Bounded:
    """The next bytes of a file, never more than a pickle may have."""

    def __init__(self, file: BinaryIO):
        self._file, self._left = file, MAX_BYTES
        here = file.tell()
        self._end = file.seek(0, os.SEEK_END)
        file.seek(here)

    def read(self, size: int) -> bytes:
        # Files make room for what is asked for, not for what there is.
        there = self._end - self._file.tell()
        return self._count(self._file.read(min(size, there, self._left)))

    def readline(self) -> bytes:
        return self._count(self._file.readline(self._left))

    def _count(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left <= 0:
            raise FileError(f"its pickle has over {MAX_BYTES} bytes")
        return data


def _check_key(key: Any) -> None:
    # Tuples of tuples could take for ever to be hashed.
    if not isinstance(key, str | int | float | bytes | None):
        raise FileError("a dictionary in it has keys of a wrong type")


def _dictionary(pairs: list = ()) -> dict:
    for key, _ in pairs:
        _check_key(key)
    return dict(pairs)


def _rebuild_tensor(
    storage: Storage, offset: int, shape: tuple, steps: tuple, *_: Any
) -> TensorView:
    if not isinstance(storage, Storage):
        raise FileError("a tensor in it has no storage")
    return TensorView(storage, offset, tuple(shape), tuple(steps))


def _rebuild_parameter(data: TensorView, *_: Any) -> TensorView:
    return data


_UTILS, _CONTAINERS = "torch._utils", "collections"
# What may be called, and what happens instead.
_CALLS: dict[_Global, Callable[..., Any]] = {
    _Global(_CONTAINERS, "OrderedDict"): _dictionary,
    _Global(_UTILS, "_rebuild_tensor"): _rebuild_tensor,
    _Global(_UTILS, "_rebuild_tensor_v2"): _rebuild_tensor,
    _Global(_UTILS, "_rebuild_parameter"): _rebuild_parameter,
    _Global("torch", "Size"): tuple,
}
_DTYPES = {
    _Global("torch", f"{kind}Storage"): dtype
    for kind, dtype in {
        "Float": "float32",
        "Half": "float16",
        "BFloat16": "bfloat16",
        "Double": "float64",
        "Long": "int64",
        "Int": "int32",
        "Short": "int16",
        "Char": "int8",
        "Byte": "uint8",
        "Bool": "bool",
    }.items()
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
# Their argument is what they push.
_VALUES = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING "
    "BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "BINBYTES SHORT_BINBYTES".split()
)
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED = frozenset(("PROTO", "FRAME"))


class _Reader:
    """The stack and the memory of a pickle."""

    def __init__(self):
        self._stack, self._below, self._memo = [], [], {}

    def pop(self) -> Any:
        return self._stack.pop()

    def step(self, name: str, argument: Any) -> None:
        """Follows one instruction."""
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self._stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            items = [self.pop() for _ in range(_TUPLES[name])]
            self._stack.append(tuple(reversed(items)))
        elif name.endswith("PUT"):
            self._memo[argument] = self._stack[-1]
        elif name.endswith("GET"):
            self._stack.append(self._memo[argument])
        elif name not in _IGNORED:
            handle = getattr(self, f"_{name.lower()}", None)
            if handle is None:
                raise FileError(f"its pickle has the instruction {name}")
            handle(*([] if argument is None else [argument]))

    def _mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _items(self) -> list[Any]:
        """Those since the last mark."""
        items, self._stack = self._stack, self._below.pop()
        return items

    def _memoize(self) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _tuple(self) -> None:
        items = self._items()
        self._stack.append(tuple(items))

    def _list(self) -> None:
        items = self._items()
        self._stack.append(items)

    def _dict(self) -> None:
        items = self._items()
        self._stack.append({})
        self._fill(items)

    def _append(self) -> None:
        self._extend([self.pop()])

    def _appends(self) -> None:
        self._extend(self._items())

    def _extend(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise FileError("its pickle appends to no list")
        self._stack[-1].extend(items)

    def _setitem(self) -> None:
        value, key = self.pop(), self.pop()
        self._fill([key, value])

    def _setitems(self) -> None:
        self._fill(self._items())

    def _fill(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not dict:
            raise FileError("its pickle fills no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            _check_key(key)
            self._stack[-1][key] = value

    def _global(self, argument: str) -> None:
        self._mention(*argument.split(" ", 1))

    def _stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        self._mention(module, name)

    def _mention(self, module: str, name: str) -> None:
        if type(module) is not str or type(name) is not str:
            raise FileError("its pickle asks for what has no name")
        found = _Global(module, name)
        if found not in _CALLS and found not in _DTYPES:
            raise FileError(
                f"its pickle asks for {f'{module}.{name}'!r:.80}, but only "
                "tensors and containers of them are read"
            )
        self._stack.append(found)

    def _reduce(self) -> None:
        arguments, function = self.pop(), self.pop()
        # The type first: see `_check_key`.
        if type(function) is not _Global or function not in _CALLS:
            raise FileError("its pickle calls what is no function")
        if type(arguments) is not tuple:
            raise FileError("its pickle calls without arguments")
        self._stack.append(_CALLS[function](*arguments))

    def _build(self) -> None:
        """Attributes, such as the versions of a state dictionary: dropped."""
        attributes, owner = self.pop(), self._stack[-1]
        if type(attributes) is not dict or type(owner) is not dict:
            raise FileError("its pickle sets attributes of what has none")

    def _binpersid(self) -> None:
        """A storage by its key; in older files, maybe a view of another."""
        kind, dtype, key, _, count, *view = self.pop()
        known = type(dtype) is _Global and dtype in _DTYPES
        if kind != "storage" or not known or type(key) is not str:
            raise FileError("its pickle asks for what is no storage")
        storage = Storage(key, _DTYPES[dtype], count)
        if view and view[0] is not None:
            _, offset, size = view[0]
            storage = storage._replace(offset=offset)
        self._stack.append(storage)
