"""Runs that start from another model: what is taken, recorded, frozen and refused; resuming them."""

import json
import shutil

import pytest
import torch
import yaml
from click.testing import CliRunner

import gan
from gan.cli.main import main
from gan.config import override, to_dict
from gan.errors import UserError
from gan.models import checkpoint
from tests.training.tiny import EVERY_TWO_STEPS, TINY, plain, run_training


@pytest.fixture(scope="module")
def model(tiny_zip, tmp_path_factory):
    """A run of two steps at 16x16, without classes."""
    return run_training(plain(tiny_zip), out=tmp_path_factory.mktemp("model"), device="cpu")


def written(folder, config, architecture="stylegan2"):
    """A checkpoint of untrained networks, shaped by `config`, that names the generator's architecture."""
    torch.manual_seed(3)
    return checkpoint.write(
        folder,
        config={
            "kimg": 1.0,
            "generator": {**to_dict(config.generator), "type": architecture},
            "discriminator": to_dict(config.discriminator),
            "run": {},
            "data": {"name": "other", "licence": "CC0-1.0"},
        },
        generator=config.generator.build(),
        discriminator=config.discriminator.build(),
        training_tensors={},
        training_state={},
        card="",
    )


def weights(run, name, role="generator"):
    return getattr(checkpoint.read(run / "checkpoints" / name), role)().state_dict()


def test_a_run_starts_as_the_weight_average_of_the_model(model, tiny_zip, tmp_path):
    run = run_training(plain(tiny_zip, f"init_from={model}"), out=tmp_path, device="cpu")
    for role in ("generator", "discriminator"):
        start, want = weights(run, "000000", role), weights(model, "000000.008", role)
        assert all(torch.equal(start[name], want[name]) for name in want)
    raw = checkpoint.read(run / "checkpoints" / "000000").training()[0]
    assert torch.equal(
        raw["generator.mapping.fc0.weight"], weights(model, "000000.008")["mapping.fc0.weight"]
    )
    record = json.loads((run / "transfer.json").read_text())
    assert record["model"] == str(model) and record["generator"]["new"] == []
    assert "generator: " in (run / "log.txt").read_text() and "0 new" in (run / "log.txt").read_text()
    card = (checkpoint.newest(run) / "card.md").read_text()
    assert "Started from a stylegan2 trained on tiny-16" in card and f"init_from {model}" not in card


def test_resuming_it_is_exact_and_does_not_read_the_model_again(model, tiny_zip, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(model, copy)
    options = (tiny_zip, f"init_from={copy}")
    straight = run_training(plain(*options, "kimg=0.016"), out=tmp_path / "a", device="cpu")
    half = run_training(plain(*options), out=tmp_path / "b", device="cpu")
    shutil.rmtree(copy)
    rest = run_training(plain(*options, "kimg=0.016"), out=tmp_path / "b", resume="auto", device="cpu")
    assert rest == half
    for path in (straight / "checkpoints" / "000000.016").glob("*.safetensors"):
        assert path.read_bytes() == (rest / "checkpoints" / "000000.016" / path.name).read_bytes()
    assert checkpoint.read(checkpoint.newest(rest)).config["origin"]


def test_other_resolution_and_classes(tiny_zip, tmp_path):
    small = override(plain(tiny_zip), [f"{n}.resolution=8" for n in ("generator", "discriminator")])
    old = written(tmp_path / "old", small)
    config = plain(tiny_zip, f"init_from={old}", "data.conditional=true")
    run = run_training(config, out=tmp_path, device="cpu")
    record = json.loads((run / "transfer.json").read_text())
    assert list(record["generator"]["adapted"]) == ["mapping.fc0.weight"]
    new = {name.rsplit(".", 2)[0] for name in record["generator"]["new"]}
    assert "mapping" in new and "synthesis.b16.conv0" in new and "synthesis.b8" not in new
    z, c = torch.randn(2, 8), torch.eye(4)[:2]
    torch.testing.assert_close(
        gan.load(run / "checkpoints" / "000000").mapping(z, c)[:, 0], gan.load(old).mapping(z)[:, 0]
    )
    log = (run / "log.txt").read_text()
    assert "adapted mapping.fc0.weight, [8, 8] -> [8, 16]" in log and "synthesis.b16.* (" in log


def test_frozen_layers_keep_the_weights_of_the_model(model, tiny_zip, tmp_path):
    options = ["--data", tiny_zip, "--preset", "stylegan2-tiny", "--out", tmp_path, "--device=cpu"]
    options += [
        "--init-from",
        model,
        "--freeze-d",
        "2",
        *(f"--set={option}" for option in [*TINY, *EVERY_TWO_STEPS]),
    ]
    result = CliRunner().invoke(main, ["train", *map(str, options)])
    assert result.exit_code == 0, result.output
    before = weights(model, "000000.008", "discriminator")
    after = checkpoint.read(checkpoint.resolve(result.stdout.strip())).discriminator().state_dict()
    for name, same in {
        "b16.fromrgb.weight": True,
        "b16.conv0.weight": True,
        "b16.conv1.weight": False,
    }.items():
        assert torch.equal(before[name], after[name]) == same, name


def test_adapters_start_on_the_weights_of_the_model(model, tiny_zip, tmp_path):
    run = run_training(
        plain(tiny_zip, f"init_from={model}", "generator.lora_rank=2"), out=tmp_path, device="cpu"
    )
    z = torch.randn(2, 8)
    same = gan.load(run / "checkpoints" / "000000")(z)
    torch.testing.assert_close(same, gan.load(model)(z), rtol=1e-5, atol=1e-5)
    again = run_training(plain(tiny_zip, f"init_from={run}"), out=tmp_path, device="cpu")
    torch.testing.assert_close(
        gan.load(again / "checkpoints" / "000000")(z), gan.load(run)(z), rtol=1e-4, atol=1e-4
    )
    assert len(checkpoint.read(checkpoint.newest(again)).config["origin"]) == 2


def test_what_makes_no_sense_is_one_clear_error(tiny_zip, tmp_path):
    at_16 = [f"{n}.resolution=16" for n in ("generator", "discriminator")]
    wide = override(plain(tiny_zip), [*at_16, "generator.w_dim=12", "generator.channel_max=4"])
    wide = written(tmp_path / "wide", wide)
    small = override(plain(tiny_zip), [f"{n}.resolution=8" for n in ("generator", "discriminator")])
    small = written(tmp_path / "small", small)
    foreign = written(tmp_path / "foreign", override(plain(tiny_zip), at_16), "stylegan3")
    cases = [
        ((f"init_from={tmp_path / 'none'}",), "no model at"),
        ((f"init_from={foreign}",), "its generator is a stylegan3 and this run trains a stylegan2; choose"),
        (
            (f"init_from={wide}",),
            r"take its settings: --set generator.channel_max=4 --set generator.w_dim=12$",
        ),
        ((f"init_from={small}", "discriminator.freeze_layers=1"), "lower discriminator.freeze_layers"),
        ((f"init_from={small}", "generator.lora_rank=2"), "set generator.lora_rank to 0"),
    ]
    for assignments, message in cases:
        with pytest.raises(UserError, match=message):
            run_training(plain(tiny_zip, *assignments), out=tmp_path / "runs", device="cpu")
    assert not (tmp_path / "runs").exists()
    result = CliRunner().invoke(main, ["train", "--data", str(tiny_zip), "--freeze-d", "2"])
    assert result.exit_code == 2 and "--init-from" in result.stderr


def test_a_dry_run_reads_the_model_and_writes_nothing(model, tiny_zip, tmp_path):
    def dry(*more):
        typed = ["--data", tiny_zip, "--preset=stylegan2-tiny", "--out", tmp_path / "runs", "--dry-run"]
        typed += [*(f"--set={item}" for item in TINY), *more]
        return CliRunner().invoke(main, ["train", *map(str, typed)])

    wide = ["--set=generator.channel_max=64", "--set=generator.channel_base=1024"]
    result = dry("--init-from", model)
    assert result.exit_code == 0 and f"\n# starting from {checkpoint.newest(model)}" in result.stdout
    assert yaml.safe_load(result.stdout)["init_from"] == str(model)
    for more, message in (
        (["--init-from", tmp_path / "none"], "no model at"),
        (["--init-from", model, *wide], "take its settings: --set generator.channel_base=64"),
        (["--device=cuda:99"], "--device cuda:99"),
        (["--micro-batch=3"], "whole groups of discriminator.mbstd_group 4; choose a batch or micro_batch"),
    ):
        result = dry(*more)
        assert result.exit_code > 0 and message in result.stderr and result.stderr.count("\n") == 1
    assert "no model at" in dry("--init-from", tmp_path / "none", "--resume=auto").stderr  # none to go on
    assert not (tmp_path / "runs").exists()


def test_a_model_without_discriminator_starts_a_new_one(model, tiny_zip, tmp_path):
    copy = tmp_path / "000001"
    shutil.copytree(checkpoint.newest(model), copy)
    (copy / "discriminator.safetensors").unlink()
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["files"]["discriminator.safetensors"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    run = run_training(plain(tiny_zip, f"init_from={copy}"), out=tmp_path / "runs", device="cpu")
    assert "discriminator: new, for the model has no discriminator" in (run / "log.txt").read_text()
    assert "discriminator" not in json.loads((run / "transfer.json").read_text())
