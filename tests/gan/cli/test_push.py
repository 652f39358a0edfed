"""`gan push`: what it prints, and one line where it cannot."""

import json

import pytest
from click.testing import CliRunner

import gan
from gan.cli.main import main
from tests.gan.models.fake_hub import TOKEN


@pytest.fixture
def typed(fake_hub, run_folder):
    def run(*more: str):
        return CliRunner().invoke(main, ["push", str(run_folder), "user/glyphs", *more])

    return run


def test_pushed_and_taken_by_its_name(typed, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    done = typed()
    assert done.exit_code == 0, done.stderr
    name = done.stdout.split("take it as ")[1].strip()
    assert "generator.safetensors  " in done.stdout and TOKEN not in done.output
    assert gan.load(name).source == name
    out = tmp_path / "grid.png"
    done = CliRunner().invoke(main, ["sample", "hf://user/glyphs", "--seeds", "0-3", "--out", str(out)])
    assert done.exit_code == 0 and out.is_file(), done.stderr


def test_as_json(typed, fake_hub):
    done = typed("--dry-run", "--json")
    record = json.loads(done.stdout)
    assert record["name"] == "hf://user/glyphs@main" and record["url"] == f"{fake_hub.address}/user/glyphs"
    assert set(record) == {"name", "url", "private", "files", "readme"}


def test_a_dry_run_shows_the_card(typed, fake_hub):
    done = typed("--dry-run")
    assert done.exit_code == 0 and "pipeline_tag: unconditional-image-generation" in done.stdout
    assert "nothing was pushed to" in done.stderr and fake_hub.asked == []


def test_without_a_token(typed):
    done = typed()
    assert done.exit_code == 1 and done.stdout == ""
    assert done.stderr.startswith("gan: error: this needs a token that may write: `hf auth login`")
    assert done.stderr.count("\n") == 1
