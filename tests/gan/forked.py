"""Copies of the process of the tests, which do not import PyTorch again: for tests of what a kill leaves."""

import multiprocessing
import os
from collections.abc import Callable
from typing import Any

import pytest

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no copies of processes here")


def ended(function: Callable[..., Any], *arguments: Any) -> int:
    """How a copy ends that calls the function: 0, or the negative number of a signal."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    process.join(120)
    process.kill()  # where it hangs
    process.join()
    return process.exitcode
