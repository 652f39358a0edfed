"""A run directory as an object: its newest model, its scores and its statistics."""

import json

import torch

from gan.models import checkpoint
from gan.models.runs import Run
from tests.gan.runs import write_run


def test_what_a_run_holds(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "metrics.jsonl").write_text(json.dumps({"metric": "fid"}) + "\n")
    (folder / "stats.jsonl").write_text(json.dumps({"kimg": 12}) + "\n")
    run = Run(folder)
    assert (run.checkpoint, run.kimg) == (folder / "checkpoints" / "000012", 12.0)
    assert (run.records, run.stats) == ([{"metric": "fid"}], [{"kimg": 12}])
    mine, saved = run.generator().state_dict(), checkpoint.read(run.checkpoint).generator().state_dict()
    assert all(torch.equal(mine[name], saved[name]) for name in saved)
