"""All random states of this process, kept over a piece of work that must leave no trace."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Restore at the end the states of Python's, NumPy's and torch's global generators, on every device."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (saved, not drawn from)
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=list(cuda)):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
