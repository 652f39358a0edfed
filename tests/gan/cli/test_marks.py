"""`gan mark`, `gan verify` and `gan serve certificate`, as they are typed."""

import json
import stat

import pytest
from click.testing import CliRunner

from gan.cli.main import main
from tests.gan.jobs.marked import encoded, photograph

pytest.importorskip("c2pa", reason="the extra marks is not installed")


@pytest.fixture
def gan(tmp_path, monkeypatch):
    """gan(words): what the command line answers in a folder with photo.png."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.png").write_bytes(encoded(photograph()))
    return lambda *words: CliRunner().invoke(main, list(words))


def test_from_a_certificate_to_a_verdict(gan, tmp_path):
    made = gan("serve", "certificate", "create", "--name", "Me & Co")
    assert made.exit_code == 0 and made.stdout.startswith("serve/certificate.pem: Me & Co, test certificate")
    assert "nobody but you trusts it" in made.stderr and "mode 0600" in made.stderr
    assert stat.S_IMODE((tmp_path / "serve" / "certificate.key").stat().st_mode) == 0o600
    before = (tmp_path / "photo.png").read_bytes()
    marked = gan("mark", "photo.png", "--out", "marked")
    assert marked.stdout == "marked/photo.png: metadata, watermark, C2PA\n" and marked.exit_code == 0
    assert (tmp_path / "photo.png").read_bytes() == before
    told = gan("verify", "marked/photo.png")
    assert told.exit_code == 0 and told.stdout.startswith("marked/photo.png: ours, by c2pa, watermark\n")
    assert "signed by our certificate (Me & Co, test certificate)" in told.stdout
    assert gan("serve", "certificate", "create", "--name", "You").exit_code == 2


def test_exit_codes(gan, tmp_path):
    """0 ours, 1 not, 2 not to be had; of several the highest."""
    gan("mark", "photo.png", "--out", "marked")
    assert gan("verify", "marked/photo.png").exit_code == 0
    assert gan("verify", "photo.png").exit_code == 1
    assert gan("verify", "marked/photo.png", "photo.png").exit_code == 1
    missing = gan("verify", "photo.png", "none.png", "marked/photo.png")
    assert missing.exit_code == 2 and "none.png: not looked at: cannot read none.png" in missing.stdout
    assert missing.stdout.count("photo.png:") == 2
    assert gan("verify").exit_code == 2
    words = gan("verify", "--help").stdout
    assert "0  every IMAGE is ours" in words and "1  nothing says so" in words and "2  one of them" in words


def test_marking_as_json(gan):
    made = gan("mark", "photo.png", "--out", "marked", "--json")
    told = json.loads(made.stdout)
    assert (told["path"], told["watermark"], told["signed"]) == ("marked/photo.png", True, False)
    assert "not signed: no certificate in serve" in told["why"]
    again = gan("mark", "photo.png", "--out", "marked")
    assert again.exit_code == 2 and "there is marked/photo.png already" in again.stderr


def test_verdicts_as_json(gan):
    gan("mark", "photo.png", "--out", "marked")
    found = gan("verify", "marked/photo.png", "photo.png", "none.png", "--json")
    ours, other, missing = map(json.loads, found.stdout.splitlines())
    assert ours["file"] == "marked/photo.png" and ours["ours"] and ours["watermark"]["state"] == "found"
    assert other["file"] == "photo.png" and not other["ours"] and other["confidence"] is None
    assert missing["file"] == "none.png" and "cannot read" in missing["error"]
