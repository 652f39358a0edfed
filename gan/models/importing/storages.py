"""Torch's tensors in pickles: records of where they lie, and the three containers of their numbers.

A tensor is a call that names a storage, an offset, sizes and strides. Its numbers lie in the pickle (one
legacy stream per tensor), after the pickle (a legacy stream of a whole file), or beside it (a zip archive).
Nothing is copied before `StoredTensor.array`, and no tensor has more numbers than its storage.
"""

import functools
import math
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

import numpy as np

from gan.foreign import printable
from gan.models.importing.unpickler import Budget, Call, Globals, Refused, Unpickler, arguments

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # of legacy streams
MAX_MEMBERS = 100_000
MAX_AXES = 8
FLOAT32 = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class Kind:
    """Type of a storage's numbers, and bytes of each. `dtype` None: counted and passed over, never read."""

    name: str
    width: int
    dtype: np.dtype | None = None


FLOAT_STORAGE = {("torch", "FloatStorage"): Kind("FloatStorage", 4, FLOAT32)}
HALF_STORAGE = {("torch", "HalfStorage"): Kind("HalfStorage", 2, np.dtype("<f2"))}
STORAGES = (
    FLOAT_STORAGE
    | HALF_STORAGE
    | {
        ("torch", name): Kind(name, width)
        for name, width in (
            ("DoubleStorage", 8),
            ("BFloat16Storage", 2),
            ("LongStorage", 8),
            ("IntStorage", 4),
            ("ShortStorage", 2),
            ("CharStorage", 1),
            ("ByteStorage", 1),
            ("BoolStorage", 1),
        )
    }
)


@dataclass(slots=True)
class Storage:
    """`count` numbers. `read`: their bytes; set when the place is known."""

    kind: Kind
    count: int
    read: Callable[[], memoryview | bytes] | None = None


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A view of a storage: offset, sizes and strides in numbers, all within it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, budget: Budget) -> np.ndarray:
        """A contiguous float32 copy. Refused for other types, or where the data are not there."""
        kind = self.storage.kind
        if kind.dtype is None:
            raise Refused(
                f"a weight is stored as {kind.name}; only float32 and float16 are read: save them "
                "as such, with x.float()"
            )
        budget.spend_bytes(FLOAT32.itemsize * math.prod(self.shape))
        data = self.storage.read() if self.storage.read else b""
        if len(data) != self.storage.count * kind.width:
            raise Refused("it is truncated or damaged: the numbers of a tensor are missing")
        flat = np.frombuffer(data, kind.dtype)[self.offset :]
        strides = [stride * kind.width for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(flat, self.shape, strides, writeable=False)
        return view.astype(np.float32, order="C")  # always a copy


class Weight(Protocol):
    """Numbers that a file has for one tensor of a network."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""

    def array(self, budget: Budget) -> np.ndarray:
        """A contiguous float32 copy, charged to `budget`."""


@dataclass(frozen=True)
class Network:
    """A network in a file: config as plain data, weights by our names, and the entry that holds it.

    plan: name of a layer -> its attributes, for families whose layers follow a plan of frequencies.
    """

    config: dict[str, Any]
    weights: dict[str, Weight]
    entry: str
    plan: dict[str, dict[str, Any]] = field(default_factory=dict)


def rebuild_tensor(args: tuple) -> StoredTensor:
    """What torch._utils._rebuild_tensor_v2 stands for. Refused unless it lies within its storage."""
    storage, offset, shape, strides, _, _ = arguments(args, Storage, int, tuple, tuple, bool, dict)
    if len(shape) != len(strides) or len(shape) > MAX_AXES:
        raise Refused("it is damaged: a tensor's sizes and strides do not belong together")
    if not all(type(n) is int and 0 <= n < 2**48 for n in (offset, *shape, *strides)):
        raise Refused("it is damaged: a tensor has a negative or an absurd size")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if 0 not in shape and (last >= storage.count or math.prod(shape) > storage.count):
        raise Refused("it is damaged or hostile: a tensor reaches beyond its storage")
    return StoredTensor(storage, offset, shape, strides)


def rebuild_parameter(args: tuple) -> StoredTensor:
    """What torch._utils._rebuild_parameter stands for: its tensor."""
    return arguments(args, StoredTensor, bool, dict)[0]


TENSORS: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): Call(rebuild_tensor),
    ("torch._utils", "_rebuild_parameter"): Call(rebuild_parameter),
    ("collections", "OrderedDict"): Call(lambda args: dict(arguments(args))),
}


def load_from_bytes(budget: Budget) -> Call:
    """torch.storage._load_from_bytes: a legacy stream of one float storage."""

    def make(args: tuple) -> Storage:
        (data,) = arguments(args, memoryview)
        storage = legacy(data, FLOAT_STORAGE, budget)
        if type(storage) is not Storage:
            raise Refused("it is damaged: a stream of numbers holds something else")
        return storage

    return Call(make)


def legacy(data: memoryview, known: Globals, budget: Budget) -> Any:
    """The object of a legacy stream: five pickles, then the numbers of each storage."""
    storages: dict[str, Storage] = {}

    def persistent(given: Any) -> Storage:
        return _storage(given, 6, storages)

    stream = Unpickler(data, known, budget, persistent)
    for expected in (MAGIC, VERSION):
        value = stream.load()
        if type(value) is not int or value != expected:
            raise Refused("it is damaged: a stream of torch lacks its signature")
    about = stream.load()
    if type(about) is not dict or about.get("little_endian") is not True:
        raise Refused("it was written on a big-endian machine, or is damaged")
    result, keys = stream.load(), stream.load()
    if type(keys) is not list or not all(type(key) is str for key in keys) or set(keys) != storages.keys():
        raise Refused("it is damaged: its list of storages does not fit its tensors")
    for key in keys:
        storage = storages[key]
        if storage.read or stream.number(8) != storage.count:
            raise Refused("it is damaged: a storage has not the size that its tensors name")
        raw = stream.take(storage.count * storage.kind.width)
        storage.read = lambda raw=raw: raw
    if stream.at != len(data):
        raise Refused("it is damaged: a stream of torch has bytes left over")
    return result


def archive(file: BinaryIO, size: int, known: Globals, budget: Budget) -> Any:
    """The object of a zip archive as torch.save writes it, `size` bytes long; members are not compressed.

    `file` must stay open for as long as tensors are read.
    """
    try:
        opened = zipfile.ZipFile(file)
        members = opened.infolist()
    except _ZIP_ERRORS as error:
        raise Refused(f"it is no readable zip archive ({_reason(error)})") from error
    if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > size:
        raise Refused("it is damaged or hostile: its members are larger than itself")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise Refused("its members are compressed, which torch.save never does")
    names = {member.filename for member in members}
    roots = [name.removesuffix("data.pkl") for name in names if re.fullmatch(r"[^/]*/data\.pkl", name)]
    if len(roots) != 1 or len(names) != len(members):
        raise Refused("it is no file of torch.save: not exactly one data.pkl in it")
    root = roots[0]
    if f"{root}byteorder" in names and _member(opened, f"{root}byteorder") != b"little":
        raise Refused("it was written on a big-endian machine")
    storages: dict[str, Storage] = {}

    def persistent(given: Any) -> Storage:
        storage, key = _storage(given, 5, storages), given[2]
        if storage.read is None:  # once for all tensors in it: together no more than the file
            storage.read = functools.cache(lambda: _member(opened, f"{root}data/{key}"))
        return storage

    stream = Unpickler(memoryview(_member(opened, f"{root}data.pkl")), known, budget, persistent)
    return whole(stream)


def whole(stream: Unpickler) -> Any:
    """The one pickle that a stream consists of."""
    result = stream.load()
    if stream.at != len(stream.data):
        raise Refused("it is damaged: there are bytes after the end of the pickle")
    return result


_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, KeyError, RuntimeError),
    *(NotImplementedError, OverflowError),
)


def _reason(error: Exception) -> str:
    return printable(f"{type(error).__name__}: {error}")


def _member(opened: zipfile.ZipFile, name: str) -> bytes:
    try:
        return opened.read(name)
    except _ZIP_ERRORS as error:
        raise Refused(f"it is damaged: cannot read {printable(name)} ({_reason(error)})") from error


def _storage(given: Any, length: int, storages: dict[str, Storage]) -> Storage:
    """The storage of a persistent id; the same key always means the same storage."""
    fits = type(given) is tuple and len(given) == length and given[0] == "storage" and type(given[1]) is Kind
    if not fits or any(rest is not None for rest in given[5:]):
        raise Refused("it refers to data outside of itself (an unknown persistent id)")
    kind, key, _, count = arguments(given[1:5], Kind, str, str, int)
    if not 0 <= count < 2**48:
        raise Refused("it is damaged: a storage has a negative or an absurd size")
    storage = storages.setdefault(key, Storage(kind, count))
    if storage.kind != kind or storage.count != count:
        raise Refused("it is damaged: one storage has two sizes")
    return storage
