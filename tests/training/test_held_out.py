"""Held-out images: compared in every tick and with every score, and never trained on."""

import json
import shutil
import zipfile

import numpy as np
import pytest
import torch

from gan.config import override
from gan.errors import UsageError, UserError
from gan.jobs import run_scores
from gan.jobs.training import prepare
from gan.models import checkpoint
from tests.conftest import draw
from tests.training.tiny import configured, files, plain, run_training, tiny_state
from training import held_out
from training.data.images import ImageDataset, open_dataset
from training.early_stop import StopConfig, check, overfit, stalled
from training.held_out import HeldOut, open_held_out, r_v, shared

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")
SCORED = {"metrics": ["fd-untrained"], "metrics_fakes": 16}


def jsonl(run, name):
    return [json.loads(line) for line in (run / name).read_text().splitlines()]


def write(path, numbers, classes=("disc", "square", "diamond", "stripes")):
    """A set of those of the drawings that `tiny_zip` has the first 40 of."""
    names = {number: f"img{number:08d}.png" for number in numbers}
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in names.items():
            archive.writestr(name, draw(number))
        labels = [[name, number % 4] for number, name in names.items()]
        archive.writestr("dataset.json", json.dumps({"labels": labels, "classes": classes}))
    return path


@pytest.fixture
def apart(tmp_path):
    """Twelve drawings that are not in `tiny_zip`, of the same classes."""
    return write(tmp_path / "apart.zip", range(48, 60))


class Constant:
    """Images of 8x8 pixels of one value each, in three classes."""

    def __init__(self, values):
        self.values, self.labels, self.fingerprint = values, np.arange(len(values)) % 3, str(values)

    def __len__(self):
        return len(self.values)

    def image(self, i):
        return np.full((3, 8, 8), self.values[i], np.uint8)


class Brightness(torch.nn.Module):
    """A discriminator: the mean of an image plus a hundred times its class; notes the sizes of its passes."""

    def __init__(self):
        super().__init__()
        self.passes, self.unused = [], torch.nn.Parameter(torch.zeros(1))  # which says where it is

    def forward(self, img, c=None):
        self.passes.append(len(img))
        found = img.mean(dim=(1, 2, 3))[:, None]
        return found if c is None else found + 100 * c.argmax(dim=1, keepdim=True)


def test_eq_1():
    assert r_v(3.0, 1.0, -1.0) == 0.5 and r_v(3.0, 3.0, -1.0) == 0 and r_v(3.0, -1.0, -1.0) == 1
    assert r_v(1.0, 0.0, 1.0) is None and r_v(0.0, 0.0, 1.0) is None and r_v(float("nan"), 0, -1) is None


@pytest.mark.parametrize("classes", [0, 3])
def test_means_of_three_kinds_in_passes_of_a_step(classes):
    """Of 10 training and 9 held-out images, 8 of each: two passes of 4, evenly spaced, with their classes."""
    state = tiny_state(classes=classes)
    state.discriminator = Brightness()
    kind = "labels" if classes else "none"
    train, apart = (
        ImageDataset(Constant(values), "x", condition=kind)
        for values in ([255] * 10, [0, 255, 0, 255, 0, 255, 0, 255, 0])
    )
    found = HeldOut(train, apart, 64).examine(state)
    numbers = [[i * n // 8 for i in range(8)] for n in (10, 9)]
    extra = [100 * np.mean([n % 3 for n in chosen]) if classes else 0 for chosen in numbers]
    dark = np.mean([1 if n % 2 else -1 for n in numbers[1]])
    assert found["held_out/train"] == pytest.approx(1 + extra[0], abs=0.01)
    assert found["held_out/images"] == pytest.approx(dark + extra[1], abs=0.01)
    assert abs(found["held_out/fake"] - extra[0]) < 1  # with the classes of the training images
    assert state.discriminator.passes == [4] * 6


def test_few_images_fill_groups_of_the_statistics():
    state = tiny_state("batch=8", "discriminator.mbstd_group=2")
    sets = [ImageDataset(Constant(list(range(n))), "x", condition="none") for n in (20, 5)]
    seen = []
    state.discriminator.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    found = HeldOut(*sets, 64).examine(state)
    assert seen == [4, 4, 4] and all(np.isfinite(v) for v in found.values() if v is not None)


def test_nothing_of_the_state_moves():
    """Spectral norms would in train mode."""
    state = tiny_state("discriminator.spectral_norm=true")
    before = [t.clone() for t in state.weights()]
    sets = [ImageDataset(Constant(list(range(n))), "x", condition="none") for n in (8, 8)]
    torch.manual_seed(5)
    first = torch.rand(1)
    torch.manual_seed(5)
    HeldOut(*sets, 8).examine(state)
    assert torch.equal(torch.rand(1), first)
    assert all(torch.equal(a, b) for a, b in zip(before, state.weights(), strict=True))
    assert state.generator.training and state.discriminator.training


def test_a_run_compares_and_trains_as_without(tiny_zip, apart, tmp_path):
    """To the bit: what is held out reaches no step."""
    config = configured(tiny_zip, "kimg=0.016")
    plain_run = run_training(config, out=tmp_path / "a", **SCORED)
    run = run_training(override(config, [f"data.held_out={apart}"]), out=tmp_path / "b", **SCORED)
    assert files(run, "000000.016") == files(plain_run, "000000.016")
    keys = {f"held_out/{name}" for name in ("train", "images", "fake", "r_v")}
    assert all(keys <= tick.keys() for tick in jsonl(run, "stats.jsonl"))
    assert not any(keys & tick.keys() for tick in jsonl(plain_run, "stats.jsonl"))


def test_every_score_is_followed_by_its_gap(tiny_zip, apart, tmp_path):
    """Of as many images of each set; the best checkpoint is chosen as without."""
    run = run_training(plain(tiny_zip, f"data.held_out={apart}"), out=tmp_path / "runs", **SCORED)
    records = jsonl(run, "metrics.jsonl")[-4:]
    score, train, held, gap = records
    assert [r["metric"] for r in records] == [f"fd-untrained{x}" for x in ("", "/train", "/held-out", "/gap")]
    assert gap["value"] == held["value"] - train["value"] != 0
    assert [(r["num_real"], r["num_fake"]) for r in records] == [(40, 16), (12, 12), (12, 12), (12, 12)]
    fingerprints = [open_dataset(path).sha256 for path in (tiny_zip, apart)]
    assert [r["data_sha256"] for r in records[1:3]] == fingerprints
    assert gap["label"].startswith("fd-untrained/gap[") and score["value"] != train["value"]
    assert checkpoint.best(run)[1]["record"]["metric"] == "fd-untrained"
    assert all(r["seen_by_d"] is False for r in records)


def test_what_is_in_both_sets_is_found_whatever_its_name(tiny_zip, tmp_path):
    twice = write(tmp_path / "twice.zip", [50, 3, 51, 7])
    training, apart = open_dataset(tiny_zip), open_dataset(twice)
    assert [apart.source.names[i] for i in shared(training, apart)] == ["img00000003.png", "img00000007.png"]
    with pytest.raises(UserError, match=r"img00000003.png and 1 more of .*twice.zip are in .*tiny-16.zip"):
        open_held_out(str(twice), training)
    with pytest.raises(UserError, match=r"and 39 more .* --against"):
        prepare(plain(tiny_zip, f"data.held_out={shutil.copy(tiny_zip, tmp_path)}"), None, device="cpu")


def test_that_nothing_is_shared_is_remembered(tiny_zip, apart, monkeypatch):
    open_held_out(str(apart), open_dataset(tiny_zip))
    monkeypatch.setattr(held_out, "shared", lambda *_: pytest.fail("compared twice"))
    assert len(open_held_out(str(apart), open_dataset(tiny_zip))) == 12


def test_sets_that_do_not_go_together(tiny_zip, tmp_path):
    training = open_dataset(tiny_zip)
    other = write(tmp_path / "other.zip", [50, 51], classes=["a", "b", "c", "d"])
    with pytest.raises(UsageError, match="has other classes or vectors"):
        open_held_out(str(other), training)
    with pytest.raises(UsageError, match="has one image"):
        open_held_out(str(write(tmp_path / "one.zip", [50])), training)
    small = ImageDataset(Constant([1, 2]), "small", condition="labels")
    with pytest.raises(UsageError, match="is 16x16 RGB and small 8x8 RGB"):
        open_held_out(str(other), small)


def test_too_few_for_a_score_are_said_before_training(tiny_zip, tmp_path):
    two = write(tmp_path / "two.zip", [50, 51])
    with pytest.raises(UserError, match="pr needs at least 4"):
        prepare(plain(tiny_zip, f"data.held_out={two}"), None, metrics=["pr[untrained]"], device="cpu")


def scores(*values):
    return [{"value": v, "label": "fid", "kimg": float(i)} for i, v in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "better", "want"),
    [
        ([9, 8, 7], "lower", None),
        ([9, 5, 6, 5], "lower", "since 1 kimg"),
        ([9, 5, 6, 4], "lower", None),
        ([9, 5, 4.98, 4.96], "lower", "since 1 kimg"),  # both within one per cent of 5
        ([0.1, 0.5, 0.4, 0.5], "higher", "since 1 kimg"),
        ([0.1, 0.5, 0.6, 0.7], "higher", None),
        ([None, 9, None], "lower", None),
        ([5, None, None], "lower", "since 0 kimg"),
        ([-3, -3.1, -3.2], "lower", None),
        ([7, 7], "lower", None),
    ],
)
def test_stalled(values, better, want):
    found = stalled(scores(*values), better, StopConfig(when=("stalled",), stalled_scores=2))
    assert (found is None) if want is None else found.endswith(want)
    assert stalled(scores(*values), better, StopConfig(when=("overfit",), stalled_scores=2)) is None


@pytest.mark.parametrize(
    ("values", "ends"),
    [([0.6, 0.6], False), ([0.6] * 3, True), ([0.6, 0.4, 0.6, 0.6], False), ([0.1, 0.6, 0.5, 0.6], True)]
    + [([0.6, None, 0.6], False), ([0.6] * 3 + [None], False)],
)
def test_overfit(values, ends):
    records = [{"held_out/r_v": value} for value in values]
    assert (overfit(records, StopConfig(when=("overfit",), overfit_ticks=3)) is not None) is ends
    assert overfit(records, StopConfig(overfit_ticks=3)) is None


def test_rules_without_a_number_are_refused(tiny_zip, apart):
    with pytest.raises(UsageError, match="needs a score"):
        prepare(plain(tiny_zip, "stop.when=[stalled]"), None, device="cpu")
    with pytest.raises(UsageError, match="needs held-out images"):
        prepare(plain(tiny_zip, "stop.when=[overfit]"), None, device="cpu")
    with pytest.raises(UsageError, match=r"health.images above 0"):
        more = ["stop.when=[overfit]", f"data.held_out={apart}", "health.images=0"]
        prepare(plain(tiny_zip, *more), None, device="cpu")
    check(StopConfig(when=("stalled", "overfit")), scored=True, held_out=True)


@pytest.mark.parametrize(
    "wrong", [{"stalled_scores": 0}, {"overfit_ticks": 0}, {"stalled_gain": 1.0}, {"overfit_r_v": 0}]
)
def test_senseless_rules(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        StopConfig(**wrong)


@pytest.fixture
def scripted(monkeypatch):
    """Scores by kimg, instead of measured ones: no better after 16 images."""

    def score(generator, dataset, metrics, *, kimg, **_):
        keys = ("label", "convention", "detector_sha256", "data_sha256")
        value = {0.0: 9, 0.008: 7, 0.016: 5}.get(kimg, 6)
        return [{"metric": "x", "value": value, "kimg": kimg, **dict.fromkeys(keys, "same")}]

    monkeypatch.setattr(run_scores, "score", score)


@pytest.mark.parametrize("pieces", [["0.08"], ["0.008", "0.024", "0.08"]])
def test_a_stalled_run_ends_where_it_would_have(pieces, scripted, tiny_zip, tmp_path):
    """Scored every tick and kept every third: the last checkpoint is of the end, resumed or not."""
    rule = ["stop.when=[stalled]", "stop.stalled_scores=2", "metrics_ticks=1", "snapshot_ticks=3"]
    for kimg in pieces:
        config = configured(tiny_zip, f"kimg={kimg}", *rule)
        run = run_training(config, out=tmp_path, resume="auto", **SCORED)
        by_hand = {**jsonl(run, "metrics.jsonl")[0], "value": 1}  # of an old checkpoint, by gan evaluate
        with (run / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(by_hand) + "\n")
    assert checkpoint.resolve(run).name == "000000.032"
    assert checkpoint.best(run)[0].name == "000000.016"
    log = (run / "log.txt").read_text()
    assert "stalled: same no better for 2 scores, since 0.016 kimg at 0.032 kimg; saved" in log
    assert "--set 'stop.when=[]'" in log
    config = configured(tiny_zip, "kimg=0.048")
    assert run_training(config, out=tmp_path, resume="auto", **SCORED) == run  # without the rule
    assert checkpoint.resolve(run).name == "000000.048"


@pytest.mark.parametrize("pieces", [["0.08"], ["0.016", "0.08"]])
def test_an_overfit_run_ends_where_it_would_have(pieces, tiny_zip, apart, tmp_path, monkeypatch):
    """Its last checkpoint is scored, too."""
    nimg = []
    honest = HeldOut.examine

    def examine(self, state):
        nimg[:] = [state.nimg]
        return honest(self, state)

    monkeypatch.setattr(HeldOut, "examine", examine)
    monkeypatch.setattr(held_out, "r_v", lambda *_: 0.1 if nimg[0] < 16 else 0.9)
    rule = [
        "stop.when=[overfit,stalled]",
        "stop.overfit_ticks=2",
        "snapshot_ticks=4",
        f"data.held_out={apart}",
    ]
    for kimg in pieces:
        config = configured(tiny_zip, f"kimg={kimg}", *rule)
        run = run_training(config, out=tmp_path / "runs", resume="auto", **SCORED)
    assert checkpoint.resolve(run).name == "000000.024"
    assert (
        "overfit: r_v 0.5 or more for 2 ticks, now 0.9 at 0.024 kimg; saved" in (run / "log.txt").read_text()
    )
    assert jsonl(run, "metrics.jsonl")[-1]["kimg"] == 0.024


def test_two_processes_agree_to_end(tiny_zip, apart, tmp_path, ranks):
    settings = ["kimg=0.064", f"data.held_out={apart}", "stop.when=[overfit]", "stop.overfit_ticks=2"]
    settings += ["discriminator.mbstd_group=2"]
    told = ranks("training/two_runs.py", "early", str(tiny_zip), str(tmp_path), *settings)
    [run] = (tmp_path / "runs").iterdir()
    assert checkpoint.resolve(run).name == "000000.024" and "overfit: r_v" in told
    records = [r for r in jsonl(run, "metrics.jsonl") if r["kimg"] == 0.024]
    assert [r["metric"].partition("/")[2] for r in records] == ["", "train", "held-out", "gap"]
