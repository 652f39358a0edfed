"""`gan rate`: a study from the command line, links, reports, mistakes."""

import json

import pytest
from click.testing import CliRunner

from gan.cli.main import main
from tests.gan.jobs.rating_studies import answer_all, careful, folder, study

pytest.importorskip("jinja2", reason="the extra web is not installed")


def run(*args):
    return CliRunner().invoke(main, list(map(str, args)))


@pytest.fixture
def answered(tmp_path):
    made = study(tmp_path, "quality", raters=2, catch=2)
    answer_all(made, careful(lambda r, t, shown: 2 + shown[0]["source"] + t % 2, "quality"))
    return made


def test_a_study_is_made_and_goes_on(tmp_path, monkeypatch):
    from gan.web.rate import pages

    def served(app, host, port, say):
        say(f"http://{host}:{port}/?token=abc")

    monkeypatch.setattr(pages, "serve", served)
    places = folder(tmp_path / "a", 6), folder(tmp_path / "b", 6)
    out = tmp_path / "study"
    result = run("rate", *places, "--kind", "pairs", "--out", out, "--raters", "2", "--port", "8123")
    assert result.exit_code == 0, result.stderr
    links = result.stdout.splitlines()
    assert len(links) == 2 and all(link.startswith("http://127.0.0.1:8123/as/") for link in links)
    assert f"0 answers in {out}; gan rate {out} --report" in result.stderr
    again = run("rate", out, "--port", "8123")
    assert again.stdout == result.stdout  # the links stay
    assert run("rate", *places, "--kind", "pairs", "--out", out).exit_code == 2


def test_a_report_as_text_and_as_json(answered):
    result = run("rate", answered.path, "--report")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "quality: 48 answers" and lines[1].startswith("beta  mean of 1 to 5 3.")
    assert f"wrote {answered.path / 'report.html'}" in result.stderr
    told = json.loads(run("rate", answered.path, "--report", "--json").stdout)
    assert told["answers"] == 48 and [s["name"] for s in told["sources"]] == ["beta", "alpha"]


def test_the_seed_resamples_differently(answered):
    found = [run("rate", answered.path, "--report", "--seed", seed).stdout for seed in (0, 0, 1)]
    assert found[0] == found[1] and found[0].splitlines()[0] == found[2].splitlines()[0]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["a", "--kind", "pairs", "--out", "s"], "nothing at a"),
        (["a"], "--kind is missing"),
        (["a", "b", "--report"], "takes one study"),
        (["a", "--report"], "a is no study"),
        (["a", "--json"], "belong to --report"),
        ([], "Missing argument"),
        (["a", "--host", "0.0.0.0"], "choose a token"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, typed, words):
    monkeypatch.chdir(tmp_path)
    result = run("rate", *typed)
    assert result.exit_code in (1, 2) and words in result.stderr
    assert sum("error:" in line for line in result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
