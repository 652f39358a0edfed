"""`gan report` of a tiny run: every section, nothing loaded from elsewhere, and what is damaged named."""

import base64
import hashlib
import json
import re
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from gan.cli.main import main
from gan.jobs import chart_library
from gan.jobs.reporting import page
from tests.training.tiny import configured, run_training

pytest.importorskip("vl_convert", reason="the extra report is not installed")

OLD = Path(__file__).parents[2] / "fixtures" / "run-0.1" / "00000-tiny-shapes-16"


def test_a_tiny_run(tiny_zip, tmp_path):
    scored = {"metrics": ["fd-untrained"], "metrics_fakes": 16}
    run = run_training(configured(tiny_zip, "kimg=0.024"), out=tmp_path, **scored)
    event = {"kimg": 0.016, "state": "drifting", "reason": "logits <apart>", "action": "none"}
    with (run / "health.jsonl").open("a") as file:
        file.write(json.dumps(event) + "\n" + json.dumps(event) + '\n{"kimg"')
    out = tmp_path / "report.html"
    result = CliRunner().invoke(main, ["report", str(run), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert Path(result.stdout.strip()) == out
    text = out.read_text()
    html, scripts = without_scripts(text)
    closed = Closed()
    closed.feed(html)
    assert closed.open == []
    sources = set(re.findall(r'(?:src|href)="(#|.{5})', html))
    assert sources == {"data:", "#"} and "url(" not in html and "@import" not in html and len(scripts) == 3
    for words in (
        "<b>Losses</b>",
        "diversity",
        "real images",
        "logits &lt;apart&gt;",
        "fd-untrained",
        "batch: 4",
        "PyTorch",
    ):
        assert words in html, words
    assert len(re.findall(r'data:image/png;base64,[^"]+', html)) == 5  # four checkpoints and the reals
    assert len(re.findall(r'<img[^>]* alt="Grid of [^"]+"', html)) == 5
    for raw in ("loss/g", "sec_per_kimg", "health/diversity", "num_fake", "augment/p"):
        assert raw not in html.partition('id="settings"')[0], raw
    assert len(text) < 1_500_000


def without_scripts(text):
    """The page without the contents of its scripts, and these."""
    return re.sub(r"(<script[^>]*>).*?(</script>)", r"\1\2", text, flags=re.S), re.findall(
        r"<script[^>]*>(.*?)</script>", text, re.S
    )


def chart_data(text):
    """What the page's charts are drawn of, by name."""
    return json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S)[1])


def test_nothing_else_runs_and_nothing_is_fetched():
    text = page([OLD])
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1].replace(
        "&#39;", "'"
    )
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe-eval" not in policy
    digests = re.findall(r"'sha256-([^']+)'", policy)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.S)
    assert digests == [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    assert policy.endswith("img-src data:; base-uri 'none'; form-action 'none'")


EVIL = "</script><script>alert(1)</script>"


def test_hostile_contents_are_text(tmp_path):
    run = tmp_path / "<script>alert(2)<"
    run.mkdir()
    records = {
        "stats": [{"kimg": k, "loss/g": 1.0 + k, "health": EVIL} for k in range(2)],
        "health": [{"kimg": 1, "state": EVIL, "reason": EVIL, "action": EVIL, EVIL: EVIL}],
        "metrics": [
            {"kimg": k, "value": 1.0, "metric": EVIL, "label": EVIL, "convention": EVIL} for k in range(2)
        ],
    }
    for name, rows in records.items():
        (run / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"preset": EVIL, "data": {"path": EVIL}, EVIL: {EVIL: EVIL}}
    (run / "config.yaml").write_text(json.dumps(settings))
    (run / "phases.json").write_text(
        json.dumps([{"kimg": 1, "changes": [{"field": EVIL, "old": EVIL, "new": 1}]}])
    )
    (run / "environment.json").write_text(json.dumps({EVIL: EVIL, "gpu": EVIL}))
    for runs in ([run], [run, OLD]):
        text = page(runs)
        html, scripts = without_scripts(text)
        assert "alert" in html and "<script>alert" not in html and "<script>alert" not in text
        assert len(scripts) == 3 and "&lt;/script&gt;&lt;script&gt;alert(1)" in html
        assert EVIL in json.dumps(chart_data(text))


def test_runs_side_by_side(tmp_path):
    for name, lr, value in (("one", 1, 5.0), ("two", 2, 3.0)):
        run = tmp_path / name / "00000-demo"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(f"batch: 4\noptimizer_g: {{lr: {lr}}}")
        stats = [{"kimg": k, "loss/g": value * k, "loss/d": 1.0, "health": "healthy"} for k in range(3)]
        score = {
            "metric": "fid",
            "label": "fid",
            "value": value,
            "kimg": 2,
            "interval": [value - 1, value + 1],
        }
        (run / "stats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in stats))
        (run / "metrics.jsonl").write_text(json.dumps(score))
        Image.new("RGB", (4, 4)).save(run / "fakes-000001.png")
    runs = [tmp_path / name / "00000-demo" for name in ("one", "two")]
    result = CliRunner().invoke(main, ["report", *map(str, runs)])
    assert result.exit_code == 0 and result.stdout == f"{runs[0] / 'comparison.html'}\n", result.output
    text = (runs[0] / "comparison.html").read_text()
    losses = next(c for c in chart_data(text).values() if c["spec"]["description"].startswith("Losses"))
    assert [(c["run"], c["name"], c["value"]) for c in losses["curves"]][::2] == [
        ("one/00000-demo", "generator", [0, 5, 10]),
        ("two/00000-demo", "generator", [0, 3, 6]),
    ]
    assert "<td>optimizer_g.lr</td><td>1</td><td>2</td>" in re.sub(r"\s*\n", "", text)
    assert "<td>5 (4 to 6) at 2 kimg</td><td>3 (2 to 4) at 2 kimg</td>" in text
    assert re.findall(r'<th scope="col">((?:one|two)/[^<]+)</th>', text)[:2] == [
        "one/00000-demo",
        "two/00000-demo",
    ]
    assert "loss.r1_gamma" not in text.partition("From run to run")[2].partition("different from")[0]


def test_too_many_runs(tmp_path):
    (tmp_path / "config.yaml").write_text("batch: 4")
    result = CliRunner().invoke(main, ["report", *6 * [str(tmp_path)], "--out", str(tmp_path / "x.html")])
    assert result.exit_code == 2 and "6 runs: at most 5 have curves that eyes can tell apart" in result.stderr


def test_a_run_named_twice(tmp_path):
    (tmp_path / "config.yaml").write_text("batch: 4")
    result = CliRunner().invoke(main, ["report", str(tmp_path), f"{tmp_path}/../{tmp_path.name}"])
    assert result.exit_code == 2 and "a run is named twice" in result.stderr


def test_without_the_extra_it_is_named(monkeypatch):
    chart_library.scripts.cache_clear()
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    result = CliRunner().invoke(main, ["report", str(OLD)])
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert (
        'charts need the package vl-convert-python; in the project\'s folder: pip install -e ".[report]"'
        in (result.stderr)
    )


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
    text, _ = without_scripts(page([OLD]))
    assert '<meta name="viewport" content="width=device-width,initial-scale=1">' in text
    outside = re.sub(
        r'<div class="wide" tabindex="0" role="region" aria-label="[^"]+">(?s:.*?)</div>', "", text
    )
    assert "<table" not in outside and "<pre" not in outside  # what is wide scrolls in its own box
    assert text.count("<pre") == 1
    assert re.search(r"img,svg\{max-width:100%;", text) and re.search(r"\.wide\{overflow-x:auto;", text)
    assert "Augmentation (probability)" not in text  # its p is 0 in every tick


def test_a_table_of_numbers_under_every_chart():
    text, _ = without_scripts(page([OLD]))
    figures = re.findall(r'<figure class="plot".*?</figure>', text, re.S)
    assert len(figures) > 5
    for figure in figures:
        assert '<div class="drawing" tabindex="0" role="group" aria-label="' in figure
        assert '<th scope="col">kimg</th>' in figure and "<td>0.016</td>" in figure
    assert set(chart_data(page([OLD]))) == set(re.findall(r'data-chart="([^"]+)"', text))


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
    captions = re.findall(r'class="caption">(.*?)</', (tmp_path / "x.html").read_text())
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
        if tag not in ("meta", "img", "link", "input"):
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
    text = page([tmp_path])
    assert re.findall(r'class="caption">(\d+) kimg<', text) == [str(3 * k) for k in range(12)]
    assert re.search(r">34 kimg</span><small>", text) and "5 min 40 s" in text
