"""One session at a time in a run directory, of this process and of others."""

import subprocess
import sys

import pytest

from gan.errors import UserError
from tests.sources import ROOT
from training import lock


def test_a_second_session_of_this_process_is_refused_until_the_first_ends(tmp_path):
    with (
        lock.held(tmp_path),
        pytest.raises(UserError, match="is being trained already, by process"),
        lock.held(tmp_path),
    ):
        pass
    with lock.held(tmp_path):
        pass
    assert (tmp_path / lock.FILE).read_text() == ""


def test_a_session_of_another_process_is_refused(tmp_path):
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\nfrom gan.errors import UserError\nfrom training import lock\n"
        f"session = lock.held(Path({str(tmp_path)!r}))\n"
        "try:\n    session.__enter__()\nexcept UserError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", script]
    with lock.held(tmp_path):
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "is being trained already" in said
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""
