"""What can be wrong with a data set, in words."""

from gan.errors import UserError


class DataError(UserError):
    """A data set cannot be used. Names the file and the member, what is wrong and the remedy."""


class Refused(Exception):
    """What is wrong with an image, to follow its name."""


def line(error: BaseException) -> str:
    """The text of an error on one line."""
    return " ".join(str(error).split()) or type(error).__name__
