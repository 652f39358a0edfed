"""`gan report` of a tiny run: every section, nothing loaded from elsewhere, and what is damaged named."""

import base64
import io
import json
import random
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path

from click.testing import CliRunner
from PIL import Image

from gan.cli.main import main
from gan.jobs.reporting import page
from tests.training.tiny import configured, run_training

OLD = Path(__file__).parents[2] / "fixtures" / "run-0.1" / "00000-tiny-shapes-16"


def test_a_tiny_run(tiny_zip, tmp_path):
    run = run_training(configured(tiny_zip, "kimg=0.024"), out=tmp_path, metrics=["fd-untrained"])
    event = {"kimg": 0.016, "state": "drifting", "reason": "logits <apart>", "action": "none"}
    with (run / "health.jsonl").open("a") as file:
        file.write(json.dumps(event) + "\n" + json.dumps(event) + '\n{"kimg"')
    out = tmp_path / "report.html"
    result = CliRunner().invoke(main, ["report", str(run), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert Path(result.stdout.strip()) == out
    text = out.read_text()
    closed = Closed()
    closed.feed(text)
    assert closed.open == []
    sources = set(re.findall(r'(?:src|href)="(#|.{5})', text))
    assert sources == {"data:", "#"} and "<script" not in text and "<link" not in text
    assert "url(" not in text and "@import" not in text
    for words in (
        "<b>Losses</b>",
        "diversity",
        "real images",
        "logits &lt;apart&gt;",
        "fd-untrained",
        "batch: 4",
        "PyTorch",
    ):
        assert words in text, words
    images = re.findall(r"data:image/png;base64,([^\"]+)", text)
    assert len(images) == 5  # four checkpoints and the reals
    assert len(re.findall(r'<details><summary><img[^>]* alt="Grid of [^"]+"', text)) == 5
    for raw in ("loss/g", "sec_per_kimg", "health/diversity", "num_fake", "augment/p"):
        assert raw not in text.partition('id="settings"')[0], raw


def test_the_page_is_in_the_run_unless_asked_elsewhere(tmp_path, monkeypatch):
    run, here = tmp_path / "run", tmp_path / "here"
    run.mkdir(), here.mkdir()
    (run / "config.yaml").write_text("batch: 4")
    monkeypatch.chdir(here)
    result = CliRunner().invoke(main, ["report", str(run)])
    assert result.stdout == f"{run / 'report.html'}\n" and (run / "report.html").is_file()
    assert list(here.iterdir()) == []
    assert "RUN/report.html" in CliRunner().invoke(main, ["report", "--help"]).stdout


def test_the_old_run_on_a_phone():
    text = page(OLD)
    assert '<meta name="viewport" content="width=device-width,initial-scale=1">' in text
    outside = re.sub(
        r'<div class="wide" tabindex="0" role="region" aria-label="[^"]+">(?s:.*?)</div>', "", text
    )
    assert "<table" not in outside and "<pre" not in outside  # what is wide scrolls in its own box
    assert text.count("<table") == 2 and text.count("<pre") == 1
    assert re.search(r"img,svg\{max-width:100%;", text) and re.search(r"\.wide\{overflow-x:auto;", text)
    assert "Augmentation (probability)" not in text  # its p is 0 in every tick
    for drawing in re.findall(r'<svg class="chart"[^>]*>', text):
        assert "viewBox" in drawing and "aria-label" in drawing and " width=" not in drawing


def test_large_pictures_are_made_smaller(tmp_path):
    (tmp_path / "config.yaml").write_text("batch: 4")
    noise = Image.frombytes("RGB", (1400, 700), random.Random(0).randbytes(1400 * 700 * 3))
    noise.save(tmp_path / "fakes-000001.png")
    kind, data = re.search(r"data:image/(\w+);base64,([^\"]+)", page(tmp_path)).groups()
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == "jpeg" and image.format == "JPEG" and image.size == (1024, 512)


DAMAGES = {
    "environment.json": b'{"gan": "0.1", "tor',
    "config.yaml": b"preset: \xff\xfe",
    "phases.json": b"",
    "stats.jsonl": b'{"kimg": 0.008, "loss/g": 0.5}\n{"kimg": 0.016, "lo\nnull\n\xff\n{"loss/g": 1}\n',
    "health.jsonl": b"\0" * 100,
    "metrics.jsonl": b'{"kimg": 0.008, "metric": "fid", "value": 3}\n{"kimg"',
    "reals.png": b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
    "fakes-000000.png": b"",
}


def test_what_is_damaged_is_named_and_the_rest_is_shown(tmp_path):
    for name, content in {"config.yaml": b"batch: 4", **DAMAGES}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "fakes-of-mine.png").write_bytes(b"")
    out = tmp_path / "page.html"
    result = CliRunner().invoke(main, ["report", str(tmp_path), "--out", str(out)])
    assert result.exit_code == 0, result.output
    lines = result.stderr.splitlines()
    assert all(line.startswith(f"warning: {tmp_path}") for line in lines)
    assert sorted(re.findall(r"[a-z0-9-]+\.(?:json|yaml|jsonl|png)\b", result.stderr)) == sorted(DAMAGES)
    assert f"{tmp_path / 'stats.jsonl'}: 3 damaged lines left out" in result.stderr
    assert f"{tmp_path / 'environment.json'} is damaged (" in out.read_text()
    for words in ("<b>Losses</b>", "fid", "Machine", "preset: "):
        assert words in out.read_text()


def test_names_without_a_number_end_no_report(tmp_path):
    (tmp_path / "config.yaml").write_text("batch: 4")
    for name in ("fakes-1x.png", "fakes-.png", "fakes-1e9.png", "fakes-16.png", "fakes-000002.512.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    for name in ("latest", "000003.5"):
        (tmp_path / "evidence" / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "evidence" / name / "fakes.png")
    result = CliRunner().invoke(main, ["report", str(tmp_path), "--out", str(tmp_path / "x.html")])
    assert result.exit_code == 0 and not result.stderr, result.output
    captions = re.findall(r'<span class="caption">(.*?)</span>', (tmp_path / "x.html").read_text())
    assert captions == ["2.512 kimg", "16 kimg", "evidence at 3.5 kimg"]


def png_header(width, height):
    """A PNG of zeros that claims a size; its data are one row's."""

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    size = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    data = chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(width + 1))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def test_pictures_are_limited_in_pixels_and_are_png(tmp_path):
    (tmp_path / "config.yaml").write_text("batch: 4")
    (tmp_path / "fakes-000001.png").write_bytes(png_header(8192, 8193))
    (tmp_path / "fakes-000002.png").write_bytes(png_header(40_000, 40_000))
    Image.new("RGB", (4, 4)).save(tmp_path / "reals.png", "BMP")
    result = CliRunner().invoke(main, ["report", str(tmp_path), "--out", str(tmp_path / "x.html")])
    assert result.exit_code == 0, result.output
    first, second, third = result.stderr.splitlines()
    assert first.endswith("fakes-000001.png has 8192 x 8193 pixels, more than 67,108,864: left out")
    assert second.endswith("fakes-000002.png has far more than 67,108,864 pixels: left out")
    assert third.endswith("reals.png is no whole image")


class Closed(HTMLParser):
    """Tags that are still open."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_not_a_run_is_one_line(tmp_path):
    result = CliRunner().invoke(main, ["report", str(tmp_path), "--out", str(tmp_path / "x.html")])
    assert result.exit_code == 1 and "not a run directory" in result.stderr
    assert result.stderr.count("\n") == 1 and not (tmp_path / "x.html").exists()


def test_grids_are_spread_over_the_run_and_its_state_is_the_last(tmp_path):
    (tmp_path / "config.yaml").write_text("{}\n")
    records = [{"kimg": k, "tick": k, "seconds": 10.0 * k} for k in (1, 2, 34)]
    (tmp_path / "stats.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    for kimg in range(34):
        Image.new("RGB", (4, 4)).save(tmp_path / f"fakes-{kimg:06d}.png")
    text = page(tmp_path)
    assert re.findall(r'class="caption">(\d+) kimg<', text) == [str(3 * k) for k in range(12)]
    assert re.search(r">34 kimg<small>", text) and "5 min 40 s" in text
