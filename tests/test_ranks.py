"""Scripts in forked processes: each knows its place, and what fails in one is told."""

import pytest

SCRIPT = """
import os, sys, time
import torch
from torch import distributed

distributed.init_process_group("gloo")
places = torch.tensor([float(os.environ["RANK"])])
distributed.all_reduce(places)
print(f"{os.environ['RANK']} of {os.environ['WORLD_SIZE']}: {places.item()} {sys.argv[1:]}", file=sys.stderr)
distributed.destroy_process_group()
"""
FAILS = """
import os, time
if os.environ["RANK"] == "1":
    raise ValueError("on purpose")
time.sleep(600)
"""


def test_processes_meet(ranks, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    said = ranks(str(script), "a", "b c")
    assert sorted(said.splitlines()) == [f"{rank} of 2: 1.0 ['a', 'b c']" for rank in (0, 1)]
    assert ranks(str(script), processes=1) == "0 of 1: 0.0 []\n"


def test_one_that_fails_ends_the_others(ranks, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(FAILS)
    with pytest.raises(AssertionError, match=r"process 1 ended with 1\n(.*\n)+ValueError: on purpose"):
        ranks(str(script))


def test_waiting_ends(ranks, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import time\ntime.sleep(600)")
    with pytest.raises(AssertionError, match="too late"):
        ranks(str(script), seconds=0.2)
