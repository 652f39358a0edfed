"""Settings of PyTorch's backends: in effect in a run, recorded with it, and as before after it."""

import json

import pytest
import torch

from gan.jobs.scoring import GeneratedImages
from tests.training.tiny import plain, run_training


def settings():
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32


class Spy:
    """What is in effect in each step."""

    def __init__(self, error=None):
        self.seen, self.error = [], error

    def step(self, state, terms):
        self.seen.append(settings())
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("assignments", "want"),
    [((), (True, False, False)), (("cudnn_benchmark=false", "tf32=true"), (False, True, True))],
)
def test_in_effect_for_the_length_of_a_run(assignments, want, tiny_zip, tmp_path):
    before, spy = settings(), Spy()
    run = run_training(plain(tiny_zip, *assignments), out=tmp_path, device="cpu", callbacks=[spy])
    assert spy.seen == [want] * 2 and settings() == before != want
    recorded = json.loads((run / "environment.json").read_text())
    assert (recorded["cudnn_benchmark"], recorded["tf32"]) == want[:2]


def test_restored_after_a_failure(tiny_zip, tmp_path):
    before, spy = settings(), Spy(RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        run_training(plain(tiny_zip), out=tmp_path, device="cpu", callbacks=[spy])
    assert len(spy.seen) == 1 and settings() == before != spy.seen[0]


def test_scores_of_a_run_have_settings_of_their_own(tiny_zip, tmp_path, monkeypatch):
    """The generator draws without TF32 what is scored, whatever the run trains with."""
    honest, drawn, spy = GeneratedImages.read, [], Spy()

    def read(self, start, stop):
        drawn.append((settings(), torch.backends.cudnn.deterministic))
        return honest(self, start, stop)

    monkeypatch.setattr(GeneratedImages, "read", read)
    config = plain(tiny_zip, "tf32=true")
    scored = {"metrics": ["fd-untrained"], "metrics_fakes": 16}
    run_training(config, out=tmp_path, device="cpu", callbacks=[spy], **scored)
    assert drawn == [((False, False, False), True)] * 2 and spy.seen == [(True, True, True)] * 2
