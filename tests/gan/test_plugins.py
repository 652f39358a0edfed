"""Plug-ins: run once, recorded, asked for by name; a changed one needs consent."""

import json
from importlib import metadata

import pytest

import gan
from gan import plugins
from gan.errors import UsageError, UserError
from gan.models import checkpoint
from tests.gan.tables import restored
from tests.training.tiny import plain, run_training
from training.losses import LOSSES
from training.recipes import PRESETS, load_preset

LOSS = """
from training.losses import LOSSES
from training.losses.base import LogitLoss
LOSSES.add("mine", LogitLoss(lambda real, fake: -fake, lambda real, fake: fake.tanh() - real.tanh()))
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """Tables and what is loaded are as before at the end."""
    yield from restored(monkeypatch, LOSSES, PRESETS)


@pytest.fixture
def part(tmp_path):
    """A plug-in with a loss."""
    path = tmp_path / "part.py"
    path.write_text(LOSS)
    return path


def forget():
    """As a new process would find it."""
    plugins._loaded.clear()
    plugins._named.clear()
    LOSSES.pop("mine", None)


@pytest.fixture
def run(part, tiny_zip, tmp_path):
    """A run with the loss of the plug-in; nothing is loaded any more."""
    plugins.load(part)
    run = run_training(plain(tiny_zip, "loss.name=mine"), out=tmp_path / "runs")
    forget()
    return run


def test_it_runs_once_and_is_recorded(part, run):
    plugin = plugins.load(part)
    assert plugins.load(part) is plugin and plugins.loaded() == (plugin,)
    config = json.loads((checkpoint.resolve(run) / "config.json").read_text())
    assert config["run"]["plugins"] == [{"name": "part.py", "path": str(part), "sha256": plugin.sha256}]


def test_a_model_asks_for_it_by_name(part, run, tiny_zip):
    ask = rf"needs the plug-in part.py \(sha256 \w{{12}}\): name it with --plugin {part}"
    with pytest.raises(UserError, match=ask):
        gan.load(run)
    with pytest.raises(UserError, match=ask):
        gan.train(None, resume=run)
    plugins.load(part)
    gan.load(run)
    assert gan.train(None, resume=run, overrides=["kimg=0.012"]).kimg == 0.012


def test_a_changed_one_is_a_phase_of_the_run_and_a_warning_elsewhere(part, run):
    part.write_text(LOSS + "# changed\n")
    plugins.load(part)
    with pytest.warns(UserWarning, match=r"plug-in part.py is not the one of .*: its sha256 begins with"):
        gan.load(run)
    with pytest.warns(UserWarning), pytest.raises(UserError, match=r"plug-in part.py +\w{12} -> \w{12}"):
        gan.train(None, resume=run, overrides=["kimg=0.012"])
    with pytest.warns(UserWarning):
        done = gan.train(None, resume=run, overrides=["kimg=0.012"], accept_change=True)
    assert "plug-in part.py" in (done.path / "phases.json").read_text()


def test_an_installed_one_is_loaded_by_itself_and_asked_for_where_it_changed(
    part, run, monkeypatch, tmp_path
):
    package = tmp_path / "installed_parts.py"
    package.write_text(LOSS)
    monkeypatch.syspath_prepend(tmp_path)
    entry = metadata.EntryPoint("part.py", "installed_parts", plugins.GROUP)
    monkeypatch.setattr(
        plugins.metadata, "entry_points", lambda group: [entry] if group == plugins.GROUP else []
    )
    [found] = plugins.load_installed()
    assert found.path == str(package)
    gan.load(run)  # of the same text
    forget()
    package.write_text(LOSS + "# changed\n")
    plugins.load_installed()
    with pytest.raises(UserError, match="is not the one of .* If it will do, name it with --plugin"):
        gan.load(run)


def test_a_preset_of_ones_own(tmp_path):
    (tmp_path / "mine.yaml").write_text("batch: 8\nkimg: 3\n")
    PRESETS.add("mine", tmp_path / "mine.yaml")
    assert load_preset("mine").batch == 8 and load_preset("mine").preset == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nimport nowhere_at_all\n", r"part.py line 2 fails: ModuleNotFoundError"),
        ("def f(:\n", r"part.py line 1 fails: SyntaxError"),
        (
            'from training.losses import LOSSES\nLOSSES.add("hinge", None)\n',
            "there is a loss 'hinge' already",
        ),
    ],
)
def test_a_failing_one_is_one_line(text, message, part):
    part.write_text(text)
    with pytest.raises(UserError, match=message):
        plugins.load(part)
    assert plugins.loaded() == ()


def test_what_cannot_be_found(tmp_path, part):
    with pytest.raises(UsageError, match="no plug-in at"):
        plugins.load(tmp_path / "none.py")
    with pytest.raises(UsageError, match="unknown plug-in 'none'; .*a path to a .py file works too"):
        plugins.load("none")
    plugins.load(part)
    other = tmp_path / "other" / "part.py"
    other.parent.mkdir()
    other.write_text("# another\n")
    with pytest.raises(UsageError, match="a plug-in part.py is loaded already"):
        plugins.load(other)
