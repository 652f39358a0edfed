"""`gan data push`: what it prints, and one line where it cannot."""

import json

import pytest
from click.testing import CliRunner

from gan.cli.main import main
from tests.gan.jobs.tiles import make


@pytest.fixture
def typed(fake_hub, token, tmp_path):
    path = make(tmp_path / "tiles.zip")

    def run(*more: str):
        return CliRunner().invoke(main, ["data", "push", str(path), "user/tiles", *more])

    return run


def test_pushed_and_trained_on_by_its_name(typed, tmp_path):
    done = typed()
    assert done.exit_code == 0, done.stderr
    name = done.stdout.split("take it as ")[1].strip()
    assert "tiles.zip  " in done.stdout and "there is no data sheet" in done.stderr
    asked = [
        "train",
        "--data",
        name,
        "--preset",
        "stylegan2-tiny",
        "--out",
        str(tmp_path / "runs"),
        "--dry-run",
    ]
    smaller = ["--set", "generator.resolution=16", "--set", "discriminator.resolution=16"]
    done = CliRunner().invoke(main, [*asked, *smaller])
    assert done.exit_code == 0 and name.partition("/tiles.zip")[0] in done.stdout, done.stderr


def test_as_json(typed, fake_hub):
    done = typed("--dry-run", "--json", "--license", "CC0-1.0")
    record = json.loads(done.stdout)
    assert record["name"] == "hf://datasets/user/tiles@main" and record["images"] == 6
    assert record["url"] == f"{fake_hub.address}/datasets/user/tiles" and record["licence"] == "CC0-1.0"


def test_a_dry_run_shows_the_card(typed, fake_hub):
    done = typed("--dry-run")
    assert done.exit_code == 0 and "license: cc0-1.0" in done.stdout
    assert "nothing was pushed to" in done.stderr and fake_hub.asked == []


def test_without_the_set(fake_hub, tmp_path):
    done = CliRunner().invoke(main, ["data", "push", str(tmp_path / "none.zip"), "user/tiles"])
    assert done.exit_code == 1 and done.stderr.startswith("gan: error: ") and done.stderr.count("\n") == 1
