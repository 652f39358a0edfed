"""The benchmark of a loaded server on a tiny model: it counts, and it would see a wrong answer."""

import io
import json
import zipfile

import pytest
import torch
from click.testing import CliRunner

from benchmarks import serving
from benchmarks.serving_clients import Direct, resident
from gan.errors import UsageError
from gan.jobs.marking.metadata import Origin, marked
from gan.jobs.sampling import sample
from gan.jobs.serving.models import facts_of
from tests.gan.runs import write_run

for package in ("uvicorn", "prometheus_client", "c2pa"):
    pytest.importorskip(package, reason="the extra serve is not installed")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return str(write_run(tmp_path_factory.mktemp("runs") / "tiny"))


def file_of(run, seed):
    facts = facts_of(run)
    image = sample(run, [seed], device="cpu")[0]
    return marked(image, "png", Origin(model=facts.name, digest=facts.digest, seed=seed))


def test_a_wrong_answer_is_seen(run, tmp_path):
    direct = Direct(run, tmp_path, signed=False, pool=8)
    assert direct.is_right([3], file_of(run, 3)) and not direct.is_right([3], file_of(run, 4))
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("manifest.json", "{}")
        archive.writestr("seed0003.png", file_of(run, 3))
        archive.writestr("seed0004.png", file_of(run, 4))
    assert direct.is_right([3, 4], whole.getvalue()) and not direct.is_right([3, 5], whole.getvalue())


def test_clients_count_what_they_meet(run, monkeypatch):
    """More clients than the server queues, and one answer that is not that of its seed."""
    threads, was = torch.get_num_threads(), Direct.is_right
    heard = []

    def once_wrong(self, seeds, answer):
        heard.append(seeds)
        return was(self, seeds, answer) and len(heard) != 5

    monkeypatch.setattr(Direct, "is_right", once_wrong)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    words = [run, "--requests", "30", "--queue", "2", "--modes", "plain", "--seconds", "0.1", "--json"]
    found = CliRunner().invoke(serving.main, words, catch_exceptions=False)
    torch.set_num_threads(threads)
    (row,) = map(json.loads, found.stdout.splitlines())
    assert (row["answered"], row["logged"], row["lost"], row["wrong"]) == (30, 30, 0, 1)
    assert row["clients"] == 20 and row["refused"] > 0 and len(heard) == 31
    assert row["images_per_second"] > 0 and row["ratio"] > 0 and row["times"][0] <= row["times"][2]
    assert min(row["memory"]) > 0 or not resident(1)


def test_a_preset_with_random_weights_is_served(run):
    with serving.model_of(None, "stylegan2-small", 16) as place:
        facts = facts_of(place)
        assert (facts.name, facts.kind) == ("stylegan2-small-16", "stylegan2")
        assert sample(place, [1], device="cpu")[0].shape == (3, 16, 16)
    with serving.model_of(run, None, 16) as place:
        assert place == run
    for given in ((None, None), (run, "stylegan2-small")):
        with pytest.raises(UsageError, match="--preset"), serving.model_of(*given, 16):
            pass
