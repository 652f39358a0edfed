"""Processes of one job: how they leave."""

import sys
from pathlib import Path

import pytest

from tests.training.tiny import torchrun


@pytest.mark.skipif(sys.platform != "linux", reason="the threads of a process are listed in /proc/self/task")
def test_no_thread_outlives_the_group():
    """One that did could ask for Python when it is gone, which aborts a process whose work was done."""
    told = torchrun(str(Path(__file__).with_name("two_leaving.py")))
    assert "0: 0 threads left" in told and "1: 0 threads left" in told
