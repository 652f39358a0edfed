"""What official snapshots hold beside tensors: networks as records, NumPy's scalars and small arrays.

Every network and every part of it is stored as a call with one argument, a mapping with the source text of
its class, the name of the class, and its attributes. The text is never looked at.
"""

import math
import struct
from collections.abc import Iterator
from typing import Any

from gan.foreign import printable
from gan.models.importing import storages
from gan.models.importing.unpickler import Budget, Buildable, Call, Globals, Refused, arguments

MAX_PARTS = 2_000  # modules of a network; the largest published ones have about 200
MAX_ENTRIES = 4_096  # parameters, buffers or parts of one module
MAX_TENSORS = 10_000
MAX_NAME = 200  # characters of the name of a part or tensor
MAX_DEPTH = 16  # modules within modules
MAX_ARRAY = 16  # numbers of an attribute that is an array
_FORMATS = {"f8": "d", "i8": "q", "b1": "?"}


class Module:
    """A network or a part of it, by its attributes."""

    __slots__ = ("class_name", "state")

    def __init__(self, class_name: str, state: dict[str, Any]):
        self.class_name, self.state = class_name, state

    def group(self, name: str) -> dict[str, Any]:
        """`_parameters`, `_buffers`, `_modules` or `_init_kwargs`."""
        found = self.state.get(name)
        fits = type(found) is dict and len(found) <= MAX_ENTRIES
        if not fits or not all(type(key) is str and len(key) <= MAX_NAME for key in found):
            raise Refused(
                f"it is damaged: {printable(self.class_name)} lacks its {name}, or has an absurd one"
            )
        return found

    def part(self, path: str) -> "Module | None":
        """The module at a dotted path; None if there is none."""
        module: Any = self
        for name in path.split("."):
            module = module.group("_modules").get(name) if type(module) is Module else None
        return module if type(module) is Module else None

    def attribute(self, path: str, name: str, default: Any) -> Any:
        """What the module at `path` resolved an option to when it was made; `default` if it does not say."""
        module = self.part(path)
        return default if module is None else module.state.get(name, default)

    def tensors(self) -> dict[str, storages.StoredTensor]:
        """State dict: parameters, then buffers, then those of the parts, under dotted names."""
        found = {}
        for count, (prefix, module) in enumerate(_walk(self, "", 0)):
            if count > MAX_PARTS:
                raise Refused(f"a network has more than {MAX_PARTS:,} parts")
            for name, value in (*module.group("_parameters").items(), *module.group("_buffers").items()):
                if len(found) > MAX_TENSORS:
                    raise Refused(f"a network has more than {MAX_TENSORS:,} tensors")
                if value is not None:
                    found[prefix + name] = arguments((value,), storages.StoredTensor)[0]
        return found


def known(budget: Budget) -> Globals:
    """All that a snapshot may name. What its calls make is charged to `budget`."""
    array, scalar = Call(_Array), Call(_scalar)
    numpy = {
        (f"numpy.{core}.multiarray", name): call
        for core in ("core", "_core")
        for name, call in (("scalar", scalar), ("_reconstruct", array))
    }
    return {
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): Call(_module),
        ("torch.storage", "_load_from_bytes"): storages.load_from_bytes(budget),
        **storages.TENSORS,
        ("dnnlib.util", "EasyDict"): Call(lambda args: dict(arguments(args))),
        ("builtins", "set"): Call(lambda args: arguments(args, list)[0]),
        ("__builtin__", "set"): Call(lambda args: arguments(args, list)[0]),
        ("numpy", "dtype"): Call(_Dtype),
        ("numpy", "ndarray"): "numpy.ndarray",
        **numpy,
        ("_codecs", "encode"): _encode(budget),
    }


def _walk(module: Module, prefix: str, depth: int) -> Iterator[tuple[str, Module]]:
    if depth > MAX_DEPTH:
        raise Refused(f"a network nests more than {MAX_DEPTH} levels deep")
    yield prefix, module
    for name, part in module.group("_modules").items():
        if part is not None:
            yield from _walk(arguments((part,), Module)[0], f"{prefix}{name}.", depth + 1)


def _module(args: tuple) -> Module:
    (meta,) = arguments(args, dict)
    fields = {"type": str, "version": int, "module_src": str, "class_name": str, "state": dict}
    if any(type(meta.get(name)) is not kind for name, kind in fields.items()):
        raise Refused("it is damaged: a stored network lacks one of its fields")
    if meta["type"] != "class" or meta["version"] != 6:
        raise Refused(f"a network is stored in version {meta['version']}, this reader knows version 6")
    return Module(meta["class_name"], meta["state"])


def _encode(budget: Budget) -> Call:
    """_codecs.encode(text, "latin1"): how protocol 2 writes bytes."""

    def make(args: tuple) -> memoryview:
        text, coding = arguments(args, str, str)
        if coding != "latin1":
            raise Refused("it is damaged: bytes written as text in an unusual way")
        budget.spend_bytes(len(text))
        try:
            return memoryview(text.encode("latin1"))
        except UnicodeEncodeError as error:
            raise Refused("it is damaged: bytes written as text hold other characters") from error

    return Call(make)


class _Dtype(Buildable):
    """A type of numbers: `format` of module struct."""

    __slots__ = ("format",)

    def __init__(self, args: tuple):
        name = args[0] if args else None
        if type(name) is not str or name not in _FORMATS:
            text = printable(name) if type(name) is str else "type"
            raise Refused(f"an attribute is a NumPy {text}; known: {', '.join(_FORMATS)}")
        self.format = f"<{_FORMATS[name]}"

    def build(self, state: Any) -> None:
        """The state says the byte order."""
        if type(state) is not tuple or len(state) < 2 or state[1] not in ("<", "|"):
            raise Refused("it is damaged, or a NumPy number in it is not little-endian")

    def numbers(self, data: memoryview) -> list[Any]:
        """Those in `data`. Refused if it ends within one, or holds many."""
        width = struct.calcsize(self.format)
        if len(data) % width or len(data) > width * MAX_ARRAY:
            raise Refused(f"it is damaged: an attribute is an array of more than {MAX_ARRAY} numbers")
        return [value for (value,) in struct.iter_unpack(self.format, data)]


def _scalar(args: tuple) -> Any:
    dtype, data = arguments(args, _Dtype, memoryview)
    numbers = dtype.numbers(data)
    if len(numbers) != 1:
        raise Refused("it is damaged: a NumPy number of the wrong size")
    return numbers[0]


class _Array(Buildable):
    """A NumPy array: its numbers in order of memory, once they were given."""

    __slots__ = ("numbers",)

    def __init__(self, args: tuple):
        arguments(args, str, tuple, memoryview)  # numpy.ndarray, (0,), b"b"
        self.numbers: list[Any] = []

    def build(self, state: Any) -> None:
        """state: version, shape, dtype, Fortran order, bytes."""
        (state,) = arguments((state,), tuple)
        _, shape, dtype, _, data = arguments(state, int, tuple, _Dtype, bool, memoryview)
        self.numbers = dtype.numbers(data)
        fits = len(shape) <= 2 and all(type(n) is int and 0 <= n <= MAX_ARRAY for n in shape)
        if not fits or math.prod(shape) != len(self.numbers):
            raise Refused("it is damaged: an array has not the shape that it names")
