"""Which checkpoints stay, and that a full disk costs none of them."""

import errno
import json
from pathlib import Path

import pytest
import torch

import gan
from gan.errors import UserError
from gan.models import checkpoint
from gan.models.light import lighten
from tests.training.tiny import configured, run_training
from training import loop
from training.config import RunConfig
from training.retention import check_room, superseded


@pytest.mark.parametrize(
    ("last", "every", "gone"),
    [
        (None, None, []),
        (None, 4, []),
        (2, None, [0, 1.5, 3, 4.5]),
        (2, 4, [1.5, 3]),
        (1, 3, [1.5, 4.5]),
        (9, None, []),
    ],
)
def test_superseded(last, every, gone):
    assert superseded([6, 0, 1.5, 7.5, 3, 4.5], last, every) == gone


def names(run):
    return sorted(folder.name for folder in checkpoint.folders(run))


def test_last_every_and_best_are_kept(tiny_zip, tmp_path):
    kept = ["keep_last=1", "keep_light=false"]
    config = configured(tiny_zip, "kimg=0.04", *kept, "keep_every_kimg=0.024")
    run = run_training(config, out=tmp_path)
    assert names(run) == ["000000", "000000.024", "000000.040"]
    scored = configured(tiny_zip, "kimg=0.024", *kept)
    run = run_training(scored, out=tmp_path, metrics=["fd-untrained"])
    *before, last = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    best = min(before, key=lambda record: record["value"])  # when the last one was saved, unscored yet
    assert last["kimg"] == 0.024 and set(names(run)) == {f"{best['kimg']:010.3f}", "000000.024"}
    assert checkpoint.read(checkpoint.best(run)[0])


def test_by_default_three_are_whole_and_the_others_draw_images(tiny_zip, tmp_path):
    run = run_training(configured(tiny_zip, "kimg=0.04"), out=tmp_path)
    whole = {folder.name: (folder / "training.safetensors").is_file() for folder in checkpoint.folders(run)}
    light = ["000000", "000000.008", "000000.016"]
    full = ["000000.024", "000000.032", "000000.040"]
    assert whole == {**dict.fromkeys(light, False), **dict.fromkeys(full, True)}
    folder = run / "checkpoints" / "000000.016"
    kept = {"config.json", "generator.safetensors", "card.md", "manifest.json"}
    assert {p.name for p in folder.iterdir()} == kept
    assert gan.load(folder).image_shape == (3, 16, 16)
    assert not lighten(folder) and lighten(run / "checkpoints" / "000000.024")
    with pytest.raises(UserError, match="for sampling only"):
        gan.train(None, resume=folder)


def test_the_last_healthy_checkpoint_outlives_ill_ones(monkeypatch, tiny_zip, tmp_path):
    honest = loop.train_step

    def step(state, real, c):
        if state.nimg == 16:
            with torch.no_grad():
                for parameter in state.generator.parameters():
                    parameter.zero_()
        return honest(state, real, c)

    monkeypatch.setattr(loop, "train_step", step)
    run = run_training(configured(tiny_zip, "kimg=0.04", "keep_last=1", "keep_light=false"), out=tmp_path)
    assert "000000.016" in names(run) and names(run)[-1] == "000000.040"


def test_a_full_disk_pauses_with_the_old_checkpoints_intact(monkeypatch, tiny_zip, tmp_path):
    honest = checkpoint._write_tensors

    def write(path, tensors):
        if ".024" in str(path) and path.stem == "training":
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        honest(path, tensors)

    config = configured(tiny_zip, "kimg=0.032", "keep_last=1", "keep_light=false")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_write_tensors", write)
        with pytest.raises(
            UserError, match=r"paused at 0.024 kimg: .*No space left.*intact.*gan train --resume"
        ):
            run_training(config, out=tmp_path)
    (run,) = tmp_path.iterdir()
    assert names(run) == ["000000.016"] and checkpoint.read(run / "checkpoints" / "000000.016")
    assert not list((run / "checkpoints").glob(".tmp-*"))
    assert run_training(config, out=tmp_path, resume="auto") == run
    assert names(run) == ["000000.032"]


@pytest.mark.slow
def test_a_full_disk_pauses_all_processes(tiny_zip, tmp_path, ranks):
    settings = ["batch=8", "tick_kimg=0.016", "discriminator.mbstd_group=2"]
    told = ranks("training/two_runs.py", "full", str(tiny_zip), str(tmp_path), *settings)
    assert all(f"{rank}: paused at 0.032 kimg: " in told for rank in (0, 1))
    (run,) = (tmp_path / "runs").iterdir()
    assert names(run) == ["000000", "000000.016"] and checkpoint.newest_good(run)[1] == []


def test_a_limit_pauses_before_it_is_passed(tiny_zip, tmp_path):
    with pytest.raises(UserError, match=r"paused at 0.008 kimg: .* more than max_disk_gib 1e-05"):
        run_training(configured(tiny_zip, "kimg=0.032", "max_disk_gib=0.00001"), out=tmp_path)
    assert names(Path(next(tmp_path.iterdir()))) == ["000000"]


def test_impossible_settings():
    with pytest.raises(ValueError, match="keep_every_kimg"):
        RunConfig(keep_every_kimg=0)
    with pytest.raises(ValueError, match="keep_last"):
        RunConfig(keep_last=0)


def test_room_for_one_more_is_needed(tmp_path):
    """Two checkpoints of 2 KiB, and one more like the newest: 6 KiB."""
    for name in ("000001", "000002"):
        folder = tmp_path / "checkpoints" / name
        folder.mkdir(parents=True)
        (folder / "weights").write_bytes(b"0" * 2048)
    check_room(tmp_path, 6 / 2**20)
    check_room(tmp_path, None)
    with pytest.raises(UserError, match="more than max_disk_gib"):
        check_room(tmp_path, 5.9 / 2**20)
