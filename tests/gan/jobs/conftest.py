"""Processes that start at once, for the tests of preparation."""

import multiprocessing
import sys

import pytest

from training.preparation import workers


@pytest.fixture
def quick_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that examine files are copies of this one, on Linux, so that they read no modules.

    How they start otherwise is seen in tests/training/preparation/test_workers.py, and by `gan data prepare`.
    """
    if sys.platform == "linux":
        monkeypatch.setattr(workers, "get_context", lambda how: multiprocessing.get_context("fork"))
