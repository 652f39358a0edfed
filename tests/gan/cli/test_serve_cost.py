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
    width=64,
    height=32,
    size=1234.0,
    marked=126,
    filters=("open_nsfw",),
    c2pa=True,
    rates=(
        costs.Rate(batch=1, images=64, blocked=1, seconds=64.0),
        costs.Rate(batch=8, images=64, blocked=0, seconds=32.0),
    ),
    shares={"network": 0.6, "filters": 0.3, "size": 0.0, "watermark": 0.1},
)


@pytest.fixture
def cost(monkeypatch):
    """cost(words): the answer of the command line at two images a second."""
    monkeypatch.setattr(costs, "measure", lambda *_: PACE)
    return lambda *words: CliRunner().invoke(main, ["serve", "cost", "model", *words])


def test_prices(cost):
    words = ["--price-per-hour", "0.72", "--price", "large=1.44", "--utilisation", "0.25"]
    first, *rest = cost(*words).stdout.splitlines()
    assert first == "tiny: 64 x 32 px, 1,234 bytes a PNG; cpu, 2 threads"
    assert rest[:3] == [
        "  1 a request: 1 images/s (64 images in 64.00 s)",
        "  8 a request: 2 images/s (64 images in 32.00 s)",
        "work: network 60%, filters 30%, watermark 10%",
    ]
    assert rest[3] == "filters: open_nsfw; watermarked 126, held back 1 of 128; signed by C2PA"
    assert rest[-3].endswith("which make images 25% of the time that is paid")
    small, large = "0.8 at 1 a request, 0.4 at 8 a request", "1.6 at 1 a request, 0.8 at 8 a request"
    assert rest[-2:] == [
        f"this machine: 0.72 an hour; 1,000 images: {small}; 43,200 images a day at most",
        f"large: 1.44 an hour; 1,000 images: {large}; 43,200 images a day at most",
    ]


def test_without_a_price_the_pace_alone(cost):
    assert "1,000 images" not in cost().stdout and "2 images/s" in cost().stdout


def test_as_json(cost):
    found = json.loads(cost("--json", "--price", "large=1.44").stdout)
    assert [rate["images_per_second"] for rate in found["rates"]] == [1.0, 2.0]
    assert found["machines"] == {"large": {"per_hour": 1.44, "per_1000": {"1": 0.8, "8": 0.4}}}
    assert found["filters"] == ["open_nsfw"] and found["shares"]["network"] == 0.6


def test_a_wrong_price(cost):
    wrong = cost("--price", "large")
    assert wrong.exit_code == 2 and "such as large=0.40" in wrong.stderr
