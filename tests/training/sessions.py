"""Sessions of a run in processes of their own, to be killed: forked from one that has imported torch."""

import multiprocessing
import os
import random
import sys
import time
from pathlib import Path

import torch

from gan.errors import UserError
from tests.training.tiny import run_training
from training.config import RunConfig

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.training.sessions"])


class Session(CONTEXT.Process):
    """`gan train --resume auto` of a config; what it says on stderr is added to the file `told`.

    clock: whether the time of the day jumps about.
    """

    def __init__(self, config: RunConfig, out: Path, *, told: Path | None = None, clock: bool = False):
        self.told = told or out.with_suffix(".log")
        super().__init__(target=_session, args=(config, out, self.told, clock))

    def checkpoint(self, out: Path, count: int = 1) -> None:
        """Wait until the run has so many checkpoints."""
        while len(list(out.glob("*/checkpoints/0*/manifest.json"))) < count:
            assert self.is_alive(), self.told.read_text()
            time.sleep(0.02)

    def code(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        self.join(120)
        assert self.exitcode is not None, "still running"
        return self.exitcode


def _session(config: RunConfig, out: Path, told: Path, clock: bool) -> None:
    torch.set_num_threads(1)
    multiprocessing.set_start_method(None, force=True)  # workers start as those of the command line
    os.setpgid(0, 0)  # a group of its own, as a terminal or a cluster signals to all
    with told.open("a") as file:
        os.dup2(file.fileno(), 2)
    if clock:
        _jump()
    try:
        run_training(config, out=out, resume="auto", device="cpu")
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def _jump() -> None:
    """From now on the clock of the day jumps by up to ten days, back or forth, whenever somebody looks."""
    true, days = time.time, random.Random(0)
    time.time = lambda: true() + days.uniform(-10, 10) * 86400
