"""JPEG by simplejpeg, where that is installed: in about half of Pillow's time, the same pixels within 1."""

import functools
from types import ModuleType

import numpy as np

_SPACES = {"L": "GRAY", "RGB": "RGB"}  # by Pillow's mode


def pixels(data: bytes, mode: str) -> np.ndarray | None:
    """uint8 [H, W] or [H, W, 3] of a JPEG that Pillow opened in `mode`; None where it is left to Pillow.

    That is so without simplejpeg, in other modes, and for what simplejpeg refuses: Pillow says what is wrong.
    """
    library, space = _library(), _SPACES.get(mode)
    if library is None or space is None:
        return None
    try:
        array = library.decode_jpeg(data, space, fastdct=False, fastupsample=False)
    except ValueError:
        return None
    return array[..., 0] if mode == "L" else array


@functools.cache
def _library() -> ModuleType | None:
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg
