"""Two processes give the digits of one, for every metric of the table."""

import json
import os
import subprocess
import sys
from pathlib import Path

from metrics import METRICS

SCRIPT = str(Path(__file__).with_name("two_processes.py"))


def test_every_score_has_the_digits_of_one_process(tmp_path):
    found, work, shares = [], [], []
    for processes in (1, 2):
        out = tmp_path / f"{processes}.json"
        shared = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
        command = [sys.executable, *(shared if processes > 1 else []), SCRIPT, str(out)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "GAN_CACHE": str(tmp_path)}
        environment["GAN_OPS"] = "reference"  # the cache is empty, and kernels take a minute to build
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, done.stderr
        written = json.loads(out.read_text())
        found.append({record["label"]: record for record in written["records"]})
        work.append(written["work"])
        shares.append(written["share"])
    assert shares[0] == 1 and 0.5 <= shares[1] < 0.6  # of the rows that are compared, in either process
    alone, shared = found
    for name, (whole,) in work[0].items():  # neither does all of it, nor much more than the other
        each = work[1][name]
        assert whole > 1 and max(each) <= 0.7 * whole and sum(each) >= whole, (name, whole, each)
    assert alone.keys() == shared.keys()
    apart = [label for label in alone if alone[label] != shared[label]]
    assert not apart, [(alone[label]["value"], shared[label]["value"]) for label in apart]
    scored = {record["metric"].partition("/")[0] for record in alone.values()}
    several = {"pr": "precision", "dc": "density"}
    assert {several.get(name, name) for name in METRICS} <= scored
