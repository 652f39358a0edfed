"""`gan train --report live`: the page follows the run, opens by its token alone, changes nothing."""

import http.cookiejar
import json
import re
import threading
import urllib.error
import urllib.request

import pytest
from click.testing import CliRunner

import gan
from gan.cli.main import main
from gan.files import sha256
from gan.jobs.training import train
from gan.web.report import live as module
from gan.web.report.live import Live
from tests.training.tiny import plain

pytest.importorskip("uvicorn", reason="the extra web is not installed")
pytest.importorskip("vl_convert", reason="the extra report is not installed")


def browser():
    """Opens addresses as a browser does, with cookies."""
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)

    def opened(address):
        with opener.open(address, timeout=30) as answer:
            return answer.read().decode()

    return opened


class Looking:
    """A callback that opens the page after every tick."""

    def __init__(self, said):
        self.said, self.seen, self.open = said, [], browser()

    def tick(self, state, record):
        address = self.said[0].removeprefix("report: ")
        base = address.partition("/?")[0]
        self.seen.append((self.open(address), self.open(f"{base}/version"), self.open(f"{base}/content")))


@pytest.fixture
def config(tiny_zip):
    return plain(tiny_zip, "kimg=0.024")


def weights(run):
    files = sorted((run.path / "checkpoints").rglob("*.safetensors"))
    return [(path.relative_to(run.path), sha256(path)) for path in files]


def test_the_page_follows_a_run_which_is_the_same_without_it(config, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.0)
    said = []
    looking = Looking(said)
    with Live(said.append) as live:
        shown = train(config, out=tmp_path / "a", device="cpu", callbacks=[live, looking])
    alone = train(config, out=tmp_path / "b", device="cpu")
    assert weights(shown) == weights(alone) and len(weights(shown)) > 3
    fronts, versions, contents = zip(*looking.seen, strict=True)
    assert len(set(versions)) == 3 and all(re.fullmatch('{"version":"[0-9a-f]{16}"}', v) for v in versions)
    assert all(shown.path.name in front and 'src="/vega.js"' in front for front in fronts)
    made = f"Made by <code>gan train --report live</code> of gan-workbench {gan.__version__}."
    assert all(made in front for front in fronts)
    data = [json.loads(re.search(r'class="charts-data">(.*?)</script>', text, re.S)[1]) for text in contents]
    points = [next(iter(each.values()))["curves"][0]["kimg"] for each in data]
    assert points == [[0.008], [0.008, 0.016], [0.008, 0.016, 0.024]]
    with pytest.raises(urllib.error.URLError):  # it has ended with the run
        browser()(said[0].removeprefix("report: "))
    assert len(said) == 1 and not [t for t in threading.enumerate() if t.name == "page"]


def test_nothing_without_the_token():
    said = []
    with Live(said.append):
        address = said[0].removeprefix("report: ")
        base = address.partition("/?")[0]
        assert base.startswith("http://127.0.0.1:")
        for path in ("/", "/content", "/version", "/vega.js", "/style.css", "/?token=wrong"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                browser()(base + path)
            with refused.value:  # it holds the connection
                assert refused.value.code == 401
        inside = browser()
        assert "The run has not begun yet" in inside(address)
        assert "vegaEmbed" in inside(f"{base}/vega.js") and ".reel" in inside(f"{base}/style.css")


def test_what_fails_there_is_one_warning_and_the_run_goes_on(config, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.0)
    monkeypatch.setattr(module.reporting, "context", lambda runs: 1 / 0)
    said = []
    looking = Looking(said)
    with Live(said.append) as live:
        run = train(config, out=tmp_path, device="cpu", callbacks=[live, looking])
    assert run.kimg == 0.024 and len(looking.seen) == 3
    assert said[1:] == ["warning: the live report: ZeroDivisionError: division by zero; training goes on"]


def test_a_page_is_made_once_for_all_tabs_and_not_too_often(run_folder, monkeypatch):
    made = []
    monkeypatch.setattr(module.reporting, "context", lambda runs: made.append(runs) or {})
    monkeypatch.setattr(module, "render", lambda folders, name, context: f"page {len(made)}")
    live = Live(print)
    live._run = run_folder
    assert live.content()[1] == live.content()[1] == "page 1"
    (run_folder / "stats.jsonl").write_text("{}\n")
    assert live.content()[1] == "page 1"  # not yet
    monkeypatch.setattr(module, "PAUSE", 0.0)
    assert live.content()[1] == "page 2" and live.content()[0] == live.version()


def test_the_command_says_where_it_is(tiny_zip, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(Live, "start", lambda self, state: calls.append(state.run))
    settings = [
        f"--set={item.split('=', 1)[0]}={item.split('=', 1)[1]}" for item in ("kimg=0.004", "batch=4")
    ]
    common = ["train", "--data", str(tiny_zip), "--preset", "stylegan2-tiny", "--device", "cpu", *settings]
    result = CliRunner().invoke(main, [*common, "--out", str(tmp_path / "a"), "--report", "live"])
    assert result.exit_code == 0, result.output
    [_] = re.findall(r"^report: (http://127\.0\.0\.1:\d+/\?token=\S+)$", result.stderr, re.M)
    assert len(calls) == 1 and result.stdout == f"{calls[0]}\n"
    without = CliRunner().invoke(main, [*common, "--out", str(tmp_path / "b")])
    assert without.exit_code == 0 and "token=" not in without.stderr and len(calls) == 1


def test_without_the_extra_no_run_is_begun(tiny_zip, tmp_path, monkeypatch):
    monkeypatch.setattr(module.chart_library, "scripts", lambda: missing())
    result = CliRunner().invoke(
        main,
        [
            "train",
            "--data",
            str(tiny_zip),
            "--preset",
            "stylegan2-tiny",
            "--out",
            str(tmp_path / "runs"),
            "--report",
            "live",
        ],
    )
    assert result.exit_code == 1 and "pip install" in result.stderr and not (tmp_path / "runs").exists()


def missing():
    from gan.errors import UserError, install

    raise UserError(f"charts need the package vl-convert-python; {install('report')}")
