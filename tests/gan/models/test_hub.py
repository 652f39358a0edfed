"""Models and a small hub: every family there and back with equal images, what is pushed, commits."""

import json

import pytest
import torch
import yaml
from safetensors import safe_open

import gan
from gan import hub_files
from gan.errors import CheckpointError, UsageError, UserError
from gan.latents import z_from_seeds
from gan.models import checkpoint, hub, hub_checkpoints, publication
from gan.networks import sngan, stylegan2
from gan.sampling import one_hot
from tests.gan.latents.families import ALL, built
from tests.gan.models.fake_hub import LARGE
from tests.gan.runs import write_run

NAME = "user/glyphs"
SCORE = {
    "metric": "fid",
    "label": "fid",
    "value": 12.5,
    "convention": "nv",
    "detector": "inception",
    "detector_sha256": "ab" * 32,
    "num_real": 100,
    "num_fake": 50000,
    "seed": 0,
    "kimg": 12.0,
    "data_sha256": "cd" * 32,
}


def image(generator: torch.nn.Module) -> torch.Tensor:
    """[2, C, H, W] of seeds 0 and 1, of class 0 where there are classes."""
    z = z_from_seeds([0, 1], generator.z_dim)
    return generator(z, one_hot([0, 0], generator.c_dim)) if generator.c_dim else generator(z)


@pytest.mark.parametrize("family", ALL)
def test_a_generator_of_every_family_there_and_back(family, fake_hub, token):
    generator = built(family)
    name = generator.push_to_hub(NAME)
    read = gan.load(name)
    assert type(read) is type(generator) and read.source == name
    assert torch.equal(image(read), image(generator))
    again = type(generator).from_pretrained(NAME, revision=name.partition("@")[2])
    assert torch.equal(image(again), image(generator))


def test_a_folder_there_and_back(tmp_path):
    generator = built("stylegan2")
    folder = generator.save_pretrained(tmp_path / "saved")
    with safe_open(folder / "generator.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
    assert torch.equal(image(stylegan2.Generator.from_pretrained(folder)), image(generator))
    with pytest.raises(UserError, match=r"is a gan\.networks\.stylegan2\.Generator"):
        sngan.Generator.from_pretrained(folder)


def test_what_is_known_of_a_model_goes_with_it(run_folder, tmp_path):
    generator = gan.load(run_folder)
    assert generator.source == str(checkpoint.resolve(run_folder))
    saved = checkpoint.read(generator.save_pretrained(tmp_path / "saved"))
    assert saved.kimg == 12 and saved.config["data"]["name"] == "tiny"
    with pytest.raises(CheckpointError, match="has no discriminator"):
        saved.discriminator()


def test_a_run_is_pushed_without_what_only_training_reads(fake_hub, token, run_folder):
    record = hub.push_to_hub(run_folder, NAME)
    files = fake_hub.repositories["models", NAME].files("main")[1]
    assert set(record["files"]) == set(files) - {".gitattributes"}
    assert set(record["files"]) == {
        "README.md",
        "card.md",
        "config.json",
        "discriminator.safetensors",
        "generator.safetensors",
        "manifest.json",
    }
    assert gan.load_discriminator(f"hf://{NAME}").resolution == 16
    assert len(files["generator.safetensors"]) > LARGE  # it went as LFS goes


def test_folders_of_this_machine_stay_here():
    config = {
        "run": {
            "data": {"path": "a/b/set.zip", "held_out": ""},
            "init_from": "hf://user/old@main",
            "plugins": [{"name": "own.py", "path": "deep/own.py", "sha256": "0"}],
        },
        "phases": [
            {"kimg": 1, "changes": [{"field": "data.path", "old": "c:/d/x.zip", "new": "a/b/set.zip"}]}
        ],
    }
    public = publication.public(config)
    told = public["run"]
    assert [(c["old"], c["new"]) for c in public["phases"][0]["changes"]] == [("x.zip", "set.zip")]
    assert told["data"] == {"path": "set.zip", "held_out": ""} and told["init_from"] == "hf://user/old@main"
    assert told["plugins"][0]["path"] == "own.py" and config["run"]["data"]["path"] == "a/b/set.zip"


def test_the_pushed_config_is_public(fake_hub, token, run_folder):
    folder = checkpoint.resolve(run_folder)
    saved = checkpoint.read(folder)
    config = {**saved.config, "run": {"data": {"path": "secret/set.zip"}}}
    config.pop("format")
    card = "- data: path secret/set.zip"
    checkpoint.write(folder, config=config, generator=saved.generator(), discriminator=None, card=card)
    hub.push_to_hub(run_folder, NAME)
    assert b"path set.zip" in fake_hub.repositories["models", NAME].files("main")[1]["card.md"]
    assert b"secret" not in b"".join(fake_hub.repositories["models", NAME].files("main")[1].values())


def test_a_later_push_takes_away_what_it_lacks(pushed, fake_hub, run_folder):
    gan.load(run_folder).push_to_hub(NAME)
    assert "discriminator.safetensors" not in fake_hub.repositories["models", NAME].files("main")[1]
    assert gan.load(f"hf://{NAME}").resolution == 16
    assert gan.load_discriminator(pushed).resolution == 16  # the older commit is as it was


def test_a_branch_and_a_private_repository(fake_hub, token, run_folder):
    name = hub.push_to_hub(run_folder, NAME, private=True, revision="small")["name"]
    repository = fake_hub.repositories["models", NAME]
    assert repository.private and name.endswith(repository.branches["small"])
    assert set(repository.files("main")[1]) == {".gitattributes"}
    assert gan.load(f"hf://{NAME}@small").source == name


def test_private_is_not_asked_of_a_public_repository(pushed, fake_hub, run_folder):
    before = len(fake_hub.repositories["models", NAME].commits)
    with pytest.raises(UserError, match="exists and is public"):
        hub.push_to_hub(run_folder, NAME, private=True)
    assert len(fake_hub.repositories["models", NAME].commits) == before


def test_a_push_needs_a_token_and_shows_none(fake_hub, run_folder, monkeypatch):
    with pytest.raises(UserError, match=r"^this needs a token .*hf auth login.*HF_TOKEN"):
        hub.push_to_hub(run_folder, NAME)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(UserError, match=r"\(401\): `hf auth login`") as refused:
        hub.push_to_hub(run_folder, NAME)
    assert "hf_wrong" not in str(refused.value) and not fake_hub.repositories


def test_a_dry_run_asks_nobody(fake_hub, run_folder):
    (run_folder / "metrics.jsonl").write_text(json.dumps(SCORE) + "\n")
    record = hub.push_to_hub(run_folder, NAME, dry_run=True)
    assert fake_hub.asked == [] and record["files"]["generator.safetensors"] > LARGE
    assert record["name"] == f"hf://{NAME}@main"
    meta = yaml.safe_load(record["readme"].split("---\n")[1])
    (result,) = meta["model-index"][0]["results"]
    (metric,) = result["metrics"]
    assert metric["config"] == "nv" and metric["value"] == 12.5 and metric["type"] == "fid"
    assert metric["args"]["num_fake"] == 50000 and metric["args"]["detector_sha256"] == "ab" * 32
    assert result["dataset"]["args"]["sha256"] == "cd" * 32 and result["dataset"]["name"] == "tiny"
    assert meta["license"] == "unknown" and "stylegan2" in meta["tags"]


@pytest.mark.parametrize("name", ["glyphs", "user/a/b", "hf://datasets/user/a", "user/../a", "user/a--b"])
def test_names_that_are_none(name, run_folder):
    with pytest.raises(UsageError):
        hub.push_to_hub(run_folder, name, dry_run=True)


def test_a_commit_is_no_place_to_push_to(run_folder):
    with pytest.raises(UsageError, match="never changes"):
        hub.push_to_hub(run_folder, f"{NAME}@{'0' * 40}", dry_run=True)


def test_a_branch_moves_and_a_commit_does_not(pushed, fake_hub):
    old = image(gan.load(pushed))
    torch.manual_seed(1)
    other = stylegan2.GeneratorConfig(**ALL["stylegan2"].__dict__).build()
    new = other.push_to_hub(NAME)
    assert new != pushed
    assert torch.equal(image(gan.load(pushed)), old)
    assert gan.load(f"hf://{NAME}").source == new and gan.load(f"hf:/{NAME}").source == new
    asked = len(fake_hub.asked)
    assert torch.equal(image(gan.load(pushed)), old) and len(fake_hub.asked) == asked  # not asked again
    fetched = [line for line in fake_hub.asked if "/resolve/" in line]
    assert {line.split("/resolve/")[1].partition("/")[0] for line in fetched} == {
        name.partition("@")[2] for name in (pushed, new)
    }


def test_where_a_path_comes_from(pushed, tmp_path):
    folder = hub_checkpoints.fetched(pushed)
    assert str(hub_files.name_of(folder)) == pushed
    assert str(hub_files.name_of(folder / "config.json")) == f"{pushed}/config.json"
    assert hub_files.name_of(tmp_path) is None
    assert hub_checkpoints.pinned(f"hf://{NAME}") == pushed and hub_checkpoints.pinned("runs/a") == "runs/a"


def test_a_model_deeper_in_a_repository(pushed, fake_hub):
    files = fake_hub.repositories["models", NAME].files("main")[1]
    sha = fake_hub.put("user/many", {f"last/{path}": content for path, content in files.items()})
    assert gan.load("hf://user/many/last").source == f"hf://user/many@{sha}/last"


def test_classes_go_along(fake_hub, token, tmp_path):
    run = write_run(tmp_path / "runs" / "00000-demo-tiny", classes=["a", "b"])
    record = hub.push_to_hub(run, NAME)
    assert "class-conditional" in yaml.safe_load(record["readme"].split("---\n")[1])["tags"]
    assert checkpoint.read(checkpoint.resolve(record["name"])).config["data"]["classes"] == ["a", "b"]
