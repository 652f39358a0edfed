"""A reader of pickles that cannot execute anything and whose cost is bounded.

A pickle is a program for a stack machine. Python's own machine imports and calls what the program names. This
one interprets the few opcodes that hold data. The two that name or call something (GLOBAL, REDUCE and their
kin) reach only a given table: whole pairs (module, name) -> a local function or value. No module is imported,
no attribute is looked up, and any other pair or opcode ends the reading with its name. What comes out are
None, bool, int, float, str, memoryview (for bytes), list, tuple, dict, and what the table's functions return.

The cost is bounded whatever the file says. Bytes are views of the file, never copies. Opcodes, open marks and
the bytes that calls make are counted (`Budget`), over all pickles inside one file. Sets are read as lists and
keys of dicts are texts or small numbers, so hashing neither recurses nor collides.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from gan.errors import UserError
from gan.foreign import printable

MAX_OPCODES = 1_000_000  # the largest published snapshots have about a tenth
MAX_MARKS = 256
MAX_LINE = 200  # characters of a module's or function's name
PROTOCOLS = range(2, 6)


class Refused(UserError):
    """The file is damaged, or is or does something that this reader does not do."""


class UnknownGlobal(Refused):
    """The file names a function or class outside of the table. `module`: where it would be imported from."""

    def __init__(self, module: str, name: str):
        super().__init__(f"it names {printable(f'{module}.{name}')}, which is not part of a known layout")
        self.module = module


class Budget:
    """What one file, `size` bytes long, may still cost: opcodes, and bytes made by calls."""

    def __init__(self, size: int):
        self.opcodes = MAX_OPCODES
        self.bytes = 2 * size

    def spend_opcode(self) -> None:
        """Refused when there were too many."""
        self.opcodes -= 1
        if self.opcodes < 0:
            raise Refused(f"it has more than {MAX_OPCODES:,} instructions")

    def spend_bytes(self, count: int) -> None:
        """Refused when more bytes are made than twice the file's size."""
        self.bytes -= count
        if self.bytes < 0:
            raise Refused("it unfolds into far more data than its own size")


class Call:
    """A global that may be called. `make` gets the pickled arguments and returns what the call stands for."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[tuple], Any]):
        self.make = make


class Buildable:
    """What a call returns if a BUILD with further state may follow."""

    __slots__ = ()

    def build(self, state: Any) -> None:
        """Take the state, or refuse it."""
        raise NotImplementedError


Globals = Mapping[tuple[str, str], Any]  # a Call, or a value that may only be passed around


def named(content: Mapping[Any, Any]) -> str:
    """The first keys of a mapping, for messages."""
    keys = [printable(str(key)) if isinstance(key, (str, int)) else type(key).__name__ for key in content]
    if not keys:
        return "nothing"
    return ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")


def arguments(args: tuple, *kinds: type) -> tuple:
    """`args`, if they have exactly these types (object: any); otherwise Refused."""
    fits = len(args) == len(kinds) and all(
        kind is object or type(arg) is kind for arg, kind in zip(args, kinds, strict=True)
    )
    if not fits:
        raise Refused("it is damaged: a call has arguments of the wrong kind")
    return args


class Unpickler:
    """Reads consecutive pickles from `data`. `at`: position of the next byte.

    persistent: what a persistent id stands for; None refuses them.
    """

    def __init__(
        self,
        data: memoryview,
        known: Globals,
        budget: Budget,
        persistent: Callable[[Any], Any] | None = None,
    ):
        self.data, self.known, self.budget, self.persistent = data, known, budget, persistent
        self.at = 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def load(self) -> Any:
        """The next pickle. Raises Refused if it is damaged, too large or not inert."""
        self.stack, self.marks, self.memo = [], [], {}
        if bytes(self.take(1)) != b"\x80" or self.number(1) not in PROTOCOLS:
            raise Refused("it is not a pickle of protocol 2 to 5")
        while (opcode := self.take(1)[0]) != _STOP:
            self.budget.spend_opcode()
            step = _STEPS.get(opcode)
            if step is None:
                raise Refused(f"it is damaged or unsafe: opcode {opcode:#04x} at byte {self.at - 1}")
            step(self)
        result = self.pop()
        if self.stack or self.marks:
            raise Refused("it is damaged: the pickle ends with values left over")
        return result

    def take(self, count: int) -> memoryview:
        """The next bytes. Refused if the file ends before."""
        if count > len(self.data) - self.at:
            raise Refused(f"it is truncated or damaged: it ends within a value, at byte {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, width: int, signed: bool = False) -> int:
        """A little-endian integer of `width` bytes."""
        return int.from_bytes(self.take(width), "little", signed=signed)

    def line(self) -> str:
        """Text up to a newline."""
        raw = bytes(self.data[self.at : self.at + MAX_LINE + 1])
        end = raw.find(b"\n")
        if end < 0:
            raise Refused(f"it is truncated or damaged: no name at byte {self.at}")
        self.at += end + 1
        return _decoded(raw[:end])

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise Refused("it is damaged: an instruction lacks its operands")
        return self.stack.pop()

    def pop_mark(self) -> list[Any]:
        """Everything above the last mark."""
        if not self.marks:
            raise Refused("it is damaged: an instruction lacks its mark")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def top(self, kind: type) -> Any:
        """The topmost value, of exactly this type, left in place."""
        value = self.pop()
        if type(value) is not kind:
            raise Refused("it is damaged: an instruction does not fit its operand")
        self.stack.append(value)
        return value


def _decoded(raw: bytes | memoryview) -> str:
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError as error:
        raise Refused("it is damaged: a text is not UTF-8") from error


def _mark(p: Unpickler) -> None:
    p.marks.append(len(p.stack))
    if len(p.marks) > MAX_MARKS:
        raise Refused(f"it nests more than {MAX_MARKS} levels deep")


def _extend(p: Unpickler, items: list[Any]) -> None:
    p.top(list).extend(items)


def _set_items(p: Unpickler, items: list[Any]) -> None:
    target = p.top(dict)
    if len(items) % 2:
        raise Refused("it is damaged: a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) is not str and not (type(key) is int and abs(key) < 2**32):
            raise Refused("it is damaged: a key of a mapping is neither a text nor a small number")
        target[key] = value


def _look_up(p: Unpickler, module: Any, name: Any) -> None:
    if type(module) is not str or type(name) is not str:
        raise Refused("it is damaged: a name is no text")
    if (module, name) not in p.known:
        raise UnknownGlobal(module, name)
    p.push(p.known[module, name])


def _stack_global(p: Unpickler) -> None:
    name = p.pop()
    _look_up(p, p.pop(), name)


def _call(p: Unpickler) -> None:
    args, function = p.pop(), p.pop()
    if type(function) is not Call or type(args) is not tuple:
        raise Refused("it is damaged or unsafe: it calls something that is no function")
    p.push(function.make(args))


def _build(p: Unpickler) -> None:
    state, target = p.pop(), p.pop()
    if isinstance(target, Buildable):
        target.build(state)
    elif type(target) is not dict or type(state) is not dict:  # attributes of a mapping: passed over
        raise Refused("it is damaged or unsafe: it changes the state of something that has none")
    p.push(target)


def _persistent(p: Unpickler) -> None:
    if p.persistent is None:
        raise Refused("it refers to data outside of itself (a persistent id)")
    p.push(p.persistent(p.pop()))


def _recall(p: Unpickler, index: int) -> None:
    if index not in p.memo:
        raise Refused("it is damaged: it recalls a value that it never stored")
    p.push(p.memo[index])


def _store(p: Unpickler, index: int) -> None:
    value = p.pop()
    p.push(value)
    p.memo[index] = value


def _tuple(count: int) -> Callable[[Unpickler], None]:
    return lambda p: p.push(tuple(reversed([p.pop() for _ in range(count)])))


def _frame(p: Unpickler) -> None:
    if p.number(8) > len(p.data) - p.at:
        raise Refused("it is truncated or damaged: a frame reaches beyond its end")


_STOP = ord(".")
_OPCODES: dict[bytes, Callable[[Unpickler], Any]] = {
    b"\x95": _frame,
    b"N": lambda p: p.push(None),
    b"\x88": lambda p: p.push(True),
    b"\x89": lambda p: p.push(False),
    b"K": lambda p: p.push(p.number(1)),
    b"M": lambda p: p.push(p.number(2)),
    b"J": lambda p: p.push(p.number(4, signed=True)),
    b"\x8a": lambda p: p.push(p.number(p.number(1), signed=True)),
    b"G": lambda p: p.push(struct.unpack(">d", p.take(8))[0]),
    b"\x8c": lambda p: p.push(_decoded(p.take(p.number(1)))),
    b"X": lambda p: p.push(_decoded(p.take(p.number(4)))),
    b"\x8d": lambda p: p.push(_decoded(p.take(p.number(8)))),
    b"C": lambda p: p.push(p.take(p.number(1))),
    b"B": lambda p: p.push(p.take(p.number(4))),
    b"\x8e": lambda p: p.push(p.take(p.number(8))),
    b"]": lambda p: p.push([]),
    b"}": lambda p: p.push({}),
    b")": lambda p: p.push(()),
    b"\x8f": lambda p: p.push([]),  # a set
    b"(": _mark,
    b"t": lambda p: p.push(tuple(p.pop_mark())),
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"a": lambda p: _extend(p, [p.pop()]),
    b"e": lambda p: _extend(p, p.pop_mark()),
    b"\x90": lambda p: _extend(p, p.pop_mark()),  # of a set
    b"s": lambda p: _set_items(p, [p.pop(), p.pop()][::-1]),
    b"u": lambda p: _set_items(p, p.pop_mark()),
    b"c": lambda p: _look_up(p, p.line(), p.line()),
    b"\x93": _stack_global,
    b"R": _call,
    b"\x81": _call,  # of a class, with arguments for its __new__
    b"b": _build,
    b"Q": _persistent,
    b"h": lambda p: _recall(p, p.number(1)),
    b"j": lambda p: _recall(p, p.number(4)),
    b"q": lambda p: _store(p, p.number(1)),
    b"r": lambda p: _store(p, p.number(4)),
    b"\x94": lambda p: _store(p, len(p.memo)),
}
_STEPS = {opcode[0]: step for opcode, step in _OPCODES.items()}
