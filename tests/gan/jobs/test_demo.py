"""`gan demo` on a tiny network, data set and metric: what it makes, resumes, leaves alone and refuses."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

import gan
from gan import processors
from gan.config import override
from gan.errors import UserError
from gan.jobs import demo
from gan.jobs import training as jobs_training
from gan.models import checkpoint
from training.config import RunConfig
from training.data.images import open_dataset
from training.preparation import openmoji

pytestmark = pytest.mark.filterwarnings("ignore:.*the covariance is singular:UserWarning")

TINY = [
    "preset=demo",
    "batch=8",
    "data.conditional=labels",
    "kimg=0.064",
    "tick_kimg=0.032",
    "snapshot_ticks=1",
    "generator.z_dim=8",
    "generator.w_dim=8",
    "generator.channel_base=128",
    "generator.channel_max=8",
    "generator.mapping.layers=2",
    "discriminator.channel_base=128",
    "discriminator.channel_max=8",
]


@pytest.fixture(scope="session")
def config(tiny_zip: Path) -> RunConfig:
    """Eight steps on 40 images of 16x16."""
    return override(RunConfig(), [*TINY, f"data.path={tiny_zip}"])


def run_demo(config: RunConfig, out: Path, minutes: float = 5.0, fresh: bool = False):
    return demo.run_demo(
        config, out, minutes=minutes, fresh=fresh, metrics=("fd-untrained", "dc[untrained]"), num_fakes=16
    )


@pytest.fixture(scope="session")
def finished(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one finished demo run; tests that change it work on a copy."""
    out = tmp_path_factory.mktemp("demo") / "runs"
    run_demo(config, out)
    return out


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "runs"))


def forbid(*_, **__):
    raise AssertionError("nothing was left to do")


def test_makes_everything(finished: Path, config: RunConfig) -> None:
    [run] = finished.iterdir()
    record = json.loads((run / "demo.json").read_text())
    assert run.name == "00000-demo-tiny-16"
    assert [p.name for p in sorted((run / "checkpoints").iterdir())] == ["000000", "000000.032", "000000.064"]
    assert record["kimg"] == record["after"]["kimg"] == 0.064
    assert record["before"]["kimg"] == 0
    assert record["before"]["num_real"] == 40
    assert record["after"]["num_fake"] == 16
    assert record["before"]["value"] != record["after"]["value"]
    assert {"training", "score-000000", "score-000000.064", "images"} <= record["stage_seconds"].keys()
    scored = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert scored[0] == record["before"]
    assert scored[3:] == [record["after"], *record["more"]]
    assert [(r["metric"], r["kimg"]) for r in record["more"]] == [("density", 0.064), ("coverage", 0.064)]
    assert all((r["d_features"], r["seen_by_d"]) == ([], False) for r in scored)


def test_pictures(finished: Path) -> None:
    [run] = finished.iterdir()
    with Image.open(run / "grid.png") as grid:
        assert grid.size == (10 * 66 + 2, 10 * 66 + 2)  # enlarged from 16 to 64 pixels
    side = 2 + 4 * (16 + 2)  # a corner of 4x4 images
    with Image.open(run / "progress.png") as sheet, Image.open(run / "reals.png") as reals:
        assert sheet.width == 4 * (side + 2) + 2  # three snapshots and the real images
        left = 2 + 3 * (side + 2)
        last = sheet.convert("RGB").crop((left, 2, left + side, 2 + side))
        assert last.tobytes() == reals.convert("RGB").crop((0, 0, side, side)).tobytes()


def test_contact_sheet_of_wide_images(tmp_path: Path) -> None:
    """Images of 8 rows and 16 columns: corners of 4x4 of them, as in the grids that pad by 2."""
    for name in ("fakes-000000.png", "reals.png"):
        Image.new("RGB", (2 + 8 * 18, 2 + 8 * 10)).save(tmp_path / name)
    sheet = demo.contact_sheet(tmp_path, (3, 8, 16))
    assert sheet.shape[2] == 4 * (2 + 4 * 18 + 2) + 2 or sheet.shape[2] == 2 * (2 + 4 * 18 + 2) + 2
    assert 2 + 4 * 10 <= sheet.shape[1] < 2 + 4 * 18


def test_summary_says_where_and_what_next(finished: Path, config: RunConfig) -> None:
    [run] = finished.iterdir()
    record = json.loads((run / "demo.json").read_text())
    record["before"]["value"], record["after"]["value"] = 300.0, 60.0
    text = demo.summary(run, record, config)
    assert "300 before, 60 after: 5.0 times lower" in text and "seen-by-D" not in text
    record["after"]["seen_by_d"] = True
    assert "(seen-by-D: a flattering number)" in demo.summary(run, record, config)
    record["more"][1]["value"] = 0.625
    assert "coverage 0.62" in demo.summary(run, record, config)
    for path in (run / "grid.png", run / "progress.png", run / "checkpoints" / "000000.064"):
        assert str(path) in text
    assert "gan sample" in text
    assert "gan train" in text
    assert "tensorboard --logdir" in text


def test_finished_run_is_only_reported(copied: Path, config: RunConfig, monkeypatch, capsys) -> None:
    monkeypatch.setattr(jobs_training, "train", forbid)
    monkeypatch.setattr(demo, "evaluate_run", forbid)
    run, record = run_demo(config, copied)
    assert record == json.loads((run / "demo.json").read_text())
    assert "finished already" in capsys.readouterr().err


def test_fresh_trains_another(copied: Path, config: RunConfig, monkeypatch) -> None:
    class Asked(Exception):
        pass

    def train(config, *, resume, **_):
        assert resume is None
        raise Asked

    monkeypatch.setattr(jobs_training, "train", train)
    with pytest.raises(Asked):
        run_demo(config, copied, fresh=True)


def test_unscored_run_is_scored_but_not_trained(copied: Path, config: RunConfig, monkeypatch) -> None:
    (copied / "00000-demo-tiny-16" / "demo.json").unlink()
    monkeypatch.setattr(jobs_training, "train", forbid)
    run, record = run_demo(config, copied)
    assert record == json.loads((run / "demo.json").read_text())


def test_used_up_time_is_not_trained_again(copied: Path, config: RunConfig, monkeypatch) -> None:
    (copied / "00000-demo-tiny-16" / "demo.json").unlink()
    monkeypatch.setattr(jobs_training, "train", forbid)
    monkeypatch.setattr(demo, "trained_seconds", lambda run: 0.97 * 5 * 60)
    _, record = run_demo(dataclasses.replace(config, kimg=1), copied, minutes=5)
    assert record["kimg"] == 0.064


def test_classes_are_used_where_there_are_any(config: RunConfig, tmp_path: Path) -> None:
    """Four of the tiny set; none of a folder without an index."""
    plain = override(config, ["data.conditional=false"])
    labelled = demo.by_class(plain, open_dataset(config.data.path))
    assert labelled.data.conditional == "labels"
    assert demo.by_class(config, open_dataset(write_folder(tmp_path))).data.conditional is False
    run, _ = run_demo(dataclasses.replace(plain, kimg=0.008), tmp_path / "runs")
    assert gan.load(run).c_dim == 4


def write_folder(folder: Path) -> Path:
    """Eight plain images."""
    for index in range(8):
        Image.new("RGB", (16, 16), (index, 0, 0)).save(folder / f"{index}.png")
    return folder


def test_longer_run_goes_on(copied: Path, config: RunConfig) -> None:
    """A finished run whose length or time limit is raised is resumed, and scored again."""
    longer = dataclasses.replace(config, kimg=0.096)
    run, record = run_demo(longer, copied, minutes=6)
    assert run.name == "00000-demo-tiny-16"
    assert record["kimg"] == 0.096


def test_stop_by_hand_leaves_the_run_to_resume(tmp_path: Path, config: RunConfig, monkeypatch) -> None:
    train = jobs_training.train
    short = dataclasses.replace(config, kimg=0.032)
    with monkeypatch.context() as patch:
        patch.setattr(
            jobs_training,
            "train",
            lambda _, **rest: dataclasses.replace(train(short, **rest), interrupted=True),
        )
        with pytest.raises(KeyboardInterrupt):
            run_demo(config, tmp_path / "runs")
    [run] = (tmp_path / "runs").iterdir()
    assert not (run / "demo.json").exists()
    assert run_demo(config, tmp_path / "runs")[0] == run
    assert checkpoint.resolve(run).name == "000000.064"


@pytest.mark.parametrize("change", ["seed=1", "loss.r1_gamma=3", "generator.channel_max=4", "preset=other"])
def test_run_with_other_settings_is_left_alone(change: str, copied: Path, config: RunConfig) -> None:
    same, dataset = jobs_training.shaped(config, open_dataset(config.data.path))
    dataset.close()
    assert demo.find_run(copied, same) == copied / "00000-demo-tiny-16"
    assert demo.find_run(copied, override(same, [change])) is None


def test_run_on_other_data_or_without_config_is_left_alone(copied: Path, config: RunConfig) -> None:
    same, dataset = jobs_training.shaped(config, open_dataset(config.data.path))
    dataset.close()
    assert demo.find_run(copied, override(same, ["data.path=elsewhere/tiny-16.zip"])) is None
    (copied / "00000-demo-tiny-16" / "config.yaml").unlink()
    assert demo.find_run(copied, same) is None


def test_missing_data_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = openmoji.glyph_codes()[:3]
    monkeypatch.setattr(openmoji, "glyph_codes", lambda: first)
    monkeypatch.setattr(processors, "count", lambda: 1)
    path = tmp_path / "new" / "openmoji-32.zip"
    demo.prepare_data(path, demo.Clock())
    dataset = open_dataset(path)
    assert (len(dataset), dataset.shape) == (3, (3, 32, 32))
    dataset.close()
    written = path.stat().st_mtime_ns
    demo.prepare_data(path, demo.Clock())
    assert path.stat().st_mtime_ns == written


def test_missing_data_of_the_user_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no data set at .*mine.zip"):
        demo.prepare_data(tmp_path / "mine.zip", demo.Clock())
    with pytest.raises(UserError, match=r"openmoji-64.zip; leave --data out to draw openmoji at 32x32"):
        demo.prepare_data(tmp_path / "openmoji-64.zip", demo.Clock())
    assert list(tmp_path.iterdir()) == []


def test_duration() -> None:
    assert [demo.duration(s) for s in (0, 59.6, 65, 3600)] == ["0:00", "1:00", "1:05", "60:00"]
