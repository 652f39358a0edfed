"""Conditions on records, such as `sharpness > 80 and width >= 256`: parsed here, never run as Python.

    condition = either { "or" either }
    either    = test { "and" test }
    test      = "not" test | "(" condition ")" | value [ comparison value { comparison value } ]
              | value [ "not" ] "in" "[" value { "," value } "]"
    comparison = "==" | "!=" | "<" | "<=" | ">" | ">="
    value     = number | string in ' or " | true | false | none | name of a column

`10 < width < 20` is `10 < width and width < 20`; a name alone is true where it is true. A value that is
missing (none, NaN) is neither less nor equal nor otherwise: its comparisons are unknown, `not` leaves them
so, and a record is taken only where the whole is true. `label == none` and `label != none` ask for what is
missing. Numbers compare with numbers, texts with texts.
"""

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from gan.errors import UsageError, unknown

MAX_LENGTH = 4096  # characters
MAX_DEPTH = 32  # parentheses and `not` in each other
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<string>'[^']*'|\"[^\"]*\")|(?P<name>[^\W\d][\w.]*)|(?P<sign>==|!=|<=|>=|<|>|[()\[\],])|(?P<end>\Z))"
)
_WORDS = {"and", "or", "not", "in"}
_NONE = object()  # the word, where None is a missing value
_CONSTANTS = {"true": True, "false": False, "none": _NONE}
_COMPARED = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EXAMPLE = "write for example 'sharpness > 80 and width >= 256'"

Record = Mapping[str, Any]
Test = Callable[[Record], bool | None]  # None: unknown
Value = Callable[[Record], Any]


def parse(text: str, known: Iterable[str] | None = None) -> Callable[[Record], bool]:
    """The condition as a function of a record.

    known: columns; a record that lacks one of them has no value there. Without it, every record must have
    each column named. Raises UsageError for what is no condition and for an unknown column, naming the
    nearest one; so does the function, for an unknown column and for a number that is compared with a text.
    """
    if len(text) > MAX_LENGTH:
        raise UsageError(f"the condition has {len(text):,} characters, more than {MAX_LENGTH:,}: shorten it")
    test = _Parser(text, None if known is None else frozenset(known)).whole()
    return lambda record: test(record) is True


class _Token(NamedTuple):
    kind: str  # number, string, name, sign, end
    text: str
    place: int  # of its first character, from 1


class _Parser:
    """Recursive descent over the tokens, one method a rule."""

    def __init__(self, text: str, known: frozenset[str] | None) -> None:
        self._text, self._known = text, known
        self._tokens = self._cut()
        self._at = self._depth = 0

    def whole(self) -> Test:
        test = self._either("or", lambda: self._either("and", self._test))
        if self._tokens[self._at].kind != "end":
            raise self._wrong("'and' or 'or'")
        return test

    def _cut(self) -> list[_Token]:
        found, at = [], 0
        while not found or found[-1].kind != "end":
            match = _TOKEN.match(self._text, at)
            if match is None:
                rest = self._text[at:].strip()
                raise UsageError(f"--where {self._text!r}: {rest[:20]!r} cannot be read; {_EXAMPLE}")
            found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
            at = match.end()
        return found

    def _either(self, word: str, part: Callable[[], Test]) -> Test:
        tests = [part()]
        while self._taken(word):
            tests.append(part())
        if len(tests) == 1:
            return tests[0]
        decisive = word == "or"  # one such answer is that of the whole

        def joined(record: Record) -> bool | None:
            answers = [test(record) for test in tests]
            if decisive in answers:
                return decisive
            return None if None in answers else not decisive

        return joined

    def _test(self) -> Test:
        if self._taken("not"):
            test = self._deeper(self._test)

            def negated(record: Record) -> bool | None:
                answer = test(record)
                return None if answer is None else not answer

            return negated
        if self._taken("("):
            test = self._deeper(lambda: self._either("or", lambda: self._either("and", self._test)))
            self._expected(")")
            return test
        return self._comparison()

    def _comparison(self) -> Test:
        values = [self._value()]
        turned = self._tokens[self._at].text == "not"
        if turned:
            self._at += 1
        if turned or self._tokens[self._at].text == "in":
            self._expected("in")
            return self._member(values[0], turned)
        signs = []
        while (token := self._tokens[self._at]).kind == "sign" and token.text in _COMPARED:
            self._at += 1
            signs.append(token.text)
            values.append(self._value())
        if not signs:
            return self._truth(values[0])
        pairs = list(zip(signs, values, values[1:], strict=False))

        def compared(record: Record) -> bool | None:
            answers = [self._answer(sign, left(record), right(record)) for sign, left, right in pairs]
            return False if False in answers else None if None in answers else True

        return compared

    def _member(self, value: Value, turned: bool) -> Test:
        self._expected("[")
        others = [self._value()]
        while self._taken(","):
            others.append(self._value())
        self._expected("]")

        def contained(record: Record) -> bool | None:
            wanted = value(record)
            if _is_missing(wanted):
                return None
            found = any(self._answer("==", wanted, other(record)) for other in others)
            return found != turned

        return contained

    def _truth(self, value: Value) -> Test:
        def true(record: Record) -> bool | None:
            found = value(record)
            if _is_missing(found):
                return None
            if not isinstance(found, bool):
                raise UsageError(f"--where {self._text!r}: {found!r} is neither true nor false; {_EXAMPLE}")
            return found

        return true

    def _value(self) -> Value:
        token = self._tokens[self._at]
        if token.kind not in ("number", "string", "name") or token.text in _WORDS:
            raise self._wrong("a column, a number or a text in quotes")
        self._at += 1
        if token.kind == "name" and token.text not in _CONSTANTS:
            return self._column(token.text)
        if token.kind == "name":
            constant = _CONSTANTS[token.text]
        else:
            constant = token.text[1:-1] if token.kind == "string" else float(token.text)
        return lambda record: constant

    def _column(self, name: str) -> Value:
        if self._known is not None:
            if name not in self._known:
                raise UsageError(f"--where {self._text!r}: {unknown('column', name, self._known)}")
            return lambda record: record.get(name)

        def found(record: Record) -> Any:
            if name not in record:
                raise UsageError(f"--where {self._text!r}: {unknown('column', name, record)}")
            return record[name]

        return found

    def _answer(self, sign: str, left: Any, right: Any) -> bool | None:
        """Whether two values compare so; None where one is missing, but for == and != with the word none."""
        if (left is _NONE or right is _NONE) and sign in ("==", "!="):
            return (_is_missing(left) and _is_missing(right)) == (sign == "==")
        if _is_missing(left) or _is_missing(right):
            return None
        if isinstance(left, str) != isinstance(right, str):
            raise UsageError(
                f"--where {self._text!r}: {left!r} and {right!r} do not compare, a text and a number:"
                " put texts in quotes, and numbers not"
            )
        return bool(_COMPARED[sign](left, right))

    def _deeper(self, part: Callable[[], Test]) -> Test:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UsageError(f"the condition is nested more than {MAX_DEPTH} deep: make it flatter")
        test = part()
        self._depth -= 1
        return test

    def _taken(self, text: str) -> bool:
        token = self._tokens[self._at]
        if token.text == text and token.kind in ("name", "sign"):
            self._at += 1
            return True
        return False

    def _expected(self, text: str) -> None:
        if not self._taken(text):
            raise self._wrong(f"'{text}'")

    def _wrong(self, wanted: str) -> UsageError:
        token = self._tokens[self._at]
        seen = f"{token.text!r} at character {token.place}" if token.text else "the end"
        return UsageError(f"--where {self._text!r}: {wanted} is expected, not {seen}; {_EXAMPLE}")


def _is_missing(value: Any) -> bool:
    return value is None or value is _NONE or (isinstance(value, float) and math.isnan(value))
