"""`gan serve cost`: what it prints of a pace that the test gives."""

import json

import pytest
from click.testing import CliRunner

from gan.cli.main import main
from gan.jobs.serving import costs

PACE = costs.Pace(
    model="tiny",
    device="cpu",
    threads=2,
    batch=8,
    images=64,
    blocked=1,
    marked=60,
    seconds=32.0,
    size=1234.0,
    filters=("open_nsfw",),
    c2pa=True,
)


@pytest.fixture
def cost(monkeypatch):
    """cost(words): the answer of the command line at two images a second."""
    monkeypatch.setattr(costs, "measure", lambda *_: PACE)
    return lambda *words: CliRunner().invoke(main, ["serve", "cost", "model", *words])


def test_prices(cost):
    words = ["--price-per-hour", "0.72", "--price", "large=1.44", "--utilisation", "0.25"]
    first, *rest = cost(*words).stdout.splitlines()
    assert first == "2 images/s of tiny on cpu (2 threads)"
    assert rest[-2:] == [
        "this machine: 0.72 an hour, 0.4 for 1,000 images",
        "large: 1.44 an hour, 0.8 for 1,000 images",
    ]
    text = "\n".join(rest)
    for told in ("64 images in 32.00 s, 8 a request", "open_nsfw; held back: 1", "watermarked: 60; signed"):
        assert told in text
    assert "25%" in text and "1,234 bytes" in text


def test_without_a_price_the_pace_alone(cost):
    assert "for 1,000" not in cost().stdout and "50%" in cost().stdout


def test_as_json(cost):
    found = json.loads(cost("--json", "--price", "large=1.44").stdout)
    assert found["images_per_second"] == 2.0 and found["filters"] == ["open_nsfw"]
    assert found["machines"] == {"large": {"per_hour": 1.44, "per_1000": 0.4}}


def test_a_wrong_price(cost):
    wrong = cost("--price", "large")
    assert wrong.exit_code == 2 and "such as large=0.40" in wrong.stderr
