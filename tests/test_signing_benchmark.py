"""The benchmark of signatures on tiny pictures: its figures have the sizes that they must have."""

import json

import pytest
from click.testing import CliRunner

from benchmarks.signing import main

pytest.importorskip("c2pa", reason="the extra marks is not installed")


def test_every_format_grows_by_a_manifest_without_a_thumbnail():
    found = CliRunner().invoke(main, ["--sides", "16", "--repeats", "1", "--json"])
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [row["format"] for row in rows] == ["png", "jpeg", "webp"]
    for row in rows:
        assert 2000 < row["added"] < 5000 and all(
            row[name] > 0 for name in ("sign", "read", "verdict", "stranger")
        )


def test_a_table():
    found = CliRunner().invoke(main, ["--sides", "16", "--repeats", "1"])
    assert found.exit_code == 0 and found.stdout.splitlines()[2].startswith("| 16 | png | ")
