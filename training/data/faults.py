"""What can be wrong with a data set, in words."""

from gan.errors import UserError


class DataError(UserError):
    """A data set cannot be used. Names the file and the member, what is wrong and the remedy.

    What breaks the line or cannot be printed, as in names of files, is written as Python's repr has it.
    """

    def __init__(self, text: str) -> None:
        super().__init__(escaped(text))


class Refused(Exception):
    """What is wrong with an image, to follow its name."""


def line(error: BaseException) -> str:
    """The text of an error on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def escaped(text: str) -> str:
    """The text on one line that any terminal prints: a newline as \\n, a byte of no UTF-8 as \\udcff."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
