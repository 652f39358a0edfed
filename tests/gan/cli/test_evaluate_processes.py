"""gan evaluate under torchrun: two processes give the digits of one."""

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_two_processes_give_the_digits_of_one(tiny_zip, tmp_path):
    command = ["-m", "gan", "evaluate", "--images", str(tiny_zip), "--data", str(tiny_zip), "--json"]
    command += ["--metrics", "fd-untrained,ms-ssim,kid[untrained],pr[untrained]", "--num-fakes", "30"]
    command += ["--num-reals", "35", "--device", "cpu"]
    alone = [sys.executable, *command]
    shared = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *command]
    found = []
    for name, line in (("a", alone), ("b", shared), ("a", shared)):  # the last from the cache
        env = os.environ | {"OMP_NUM_THREADS": "1", "GAN_CACHE": str(tmp_path / name)}
        done = subprocess.run(line, env=env, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))  # one list: only rank 0 prints
    assert found[0] == found[1] == found[2] and len(found[0]) == 6
