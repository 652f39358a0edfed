"""Shell blocks of the pages that speak of hours and of a reader's own files run too, shortened by rules.

`shell.py` has the rules, `stage.py` what a reader has before the first line. A page is run from its top to
its end in one folder; where sections are alternatives, each block in a folder of its own. A server that would
serve until Ctrl-C starts, and ends as soon as it would wait for a first request.
"""

import re
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

import gan
from gan.files import sha256
from metrics.networks import weights
from metrics.networks.st_lpips import PACKAGE
from tests.docs.pages import Block, blocks
from tests.docs.running import executed, page_of, typed
from tests.docs.shell import NOT_TYPED, SHORT, commands, reason, shortened
from tests.docs.stage import SMALL, Models, given, inception
from tests.gan.models.fake_hub import TOKEN, Hub

DEMO = "runs/00000-demo-openmoji-32"
# Page -> what its reader has.
FAST = {
    "DATA.md": ("photos", "X", "A.zip", "B.zip", "X.zip"),
    "DATA_REVIEW.md": ("photos",),
    "IMPORT.md": ("network-snapshot-025000.pkl", "stylegan2.pt"),
    "RATING.md": ("runs/00000-demo-x", "runs/00001-demo-x", "photos"),
    "REPORTS.md": ("runs/00003-stylegan2-faces", "runs/00003-a", "runs/00004-b", "faces.zip"),
    "SERVING.md": (DEMO, "RUN", "cat.png"),
}
SLOW = {
    "COLLAPSE.md": (),
    "EXPLORE.md": ("MODEL=classes", DEMO, "smiles.csv", "smile.png", "cat.jpg", "photos"),
    "HUB.md": (DEMO, "data/openmoji-32.zip", "data/photos-256.zip"),
    "METRICS.md": (
        *(DEMO, "RUN", "RUN_A", "RUN_B", "A", "B", "folder_a", "folder_b"),
        *("X.zip", "data/openmoji-32.zip", "data/x.zip", "edges.py", "their_stats.npz"),
    ),
    "OPS.md": (),
    "README.md": (
        *(DEMO, "RUN", "RUN2", "RUN_A", "RUN_B", "photos", "my-images", "SRC", "photo.jpg", "cat.png"),
        *("grid.png", "faces-128.zip", "cats-256.zip", "faces-256.zip", "faces-64.zip", "A", "B"),
        *("official.pkl", "X-val.zip", "data/openmoji-32.zip"),
    ),
    "TRAINING.md": ("faces.zip", "photos"),
    "TRANSFER_AND_EXPORT.md": (
        *("MODEL=stylegan2", "runs/00003-stylegan2-faces=stylegan2", "cats.zip", "labelled.zip"),
    ),
}
STAGED = {**FAST, **SLOW}
APART = {"README.md", "TRAINING.md"}  # pages whose blocks are alternatives
PYTHON = {"README.md", "HUB.md"}  # pages whose Python runs here, too
NEEDS = {  # page -> fixtures
    "README.md": ("hub", "fetched"),
    "METRICS.md": ("fetched", "similarity"),
    "HUB.md": ("hub",),
}


@pytest.fixture
def similarity() -> None:
    """Skips where the weights that `--detector st-lpips-vgg` reads are not installed."""
    if find_spec(PACKAGE) is None:
        pytest.skip(f"{PACKAGE} is not installed: pip install -e '.[metrics]'")


def shells(name: str) -> list[Block]:
    """The blocks of a page that are typed into a terminal."""
    return [block for block in blocks(page_of(name)) if block.kind == "bash"]


def running(name: str) -> list[Block]:
    """The blocks of a page that run here."""
    kinds = ("bash", "python") if name in PYTHON else ("bash",)
    return [block for block in blocks(page_of(name)) if block.kind in kinds and not block.mark]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers start, and end at once."""
    uvicorn = pytest.importorskip("uvicorn", reason="the extra web is not installed")

    async def main_loop(self: object) -> None:
        pass

    monkeypatch.setattr(uvicorn.Server, "main_loop", main_loop)


@pytest.fixture
def fetched(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a cache of this test's own there is a file for Inception, of random numbers."""
    monkeypatch.setattr(weights, "_checked", lambda file, path: sha256(path))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "ops").symlink_to(cache / "ops")
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    inception(tmp_path / "cache" / "weights")


@pytest.fixture
def hub(fake_hub: Hub, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub with what pages take for given: models, one private as it is pushed later, and a data set."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HOME", str(tmp_path))  # where `hf auth login` writes
    gan.push_to_hub(models.run("demo"), "user/name")
    gan.push_to_hub(models.run("demo"), "user/glyphs", private=True)
    fake_hub.put("user/tiles", {"tiles.zip": models.data("demo").read_bytes()}, "datasets")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python that trains and scores does so in moments."""
    monkeypatch.setattr(gan, "train", partial(gan.train, overrides=SMALL, metrics_fakes=8))
    monkeypatch.setattr(gan, "evaluate", partial(gan.evaluate, num_fakes=8))


def run(name: str, folder: Path, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run what can be run of a page."""
    names: dict[str, object] = {"gan": gan}
    for number, block in enumerate(running(name)):
        place = folder / str(number if name in APART else 0)
        if not place.exists():
            place.mkdir()
            monkeypatch.chdir(place)
            given(STAGED[name], models)
        if block.kind == "python":
            executed(block, name, names)
            continue
        for command in commands(block):
            if not reason(command):
                typed(shortened(command))


@pytest.mark.parametrize("name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_page_runs(name, tmp_path, models, ending, short, monkeypatch, request):
    for fixture in NEEDS.get(name, ()):
        request.getfixturevalue(fixture)
    run(name, tmp_path, models, monkeypatch)


def every() -> Iterator[tuple[str, Block, str]]:
    """(page, block, command) of all pages here."""
    for name in STAGED:
        for block in shells(name):
            yield from ((name, block, command) for command in commands(block))


def test_each_block_runs_or_says_why():
    """A block of which nothing is typed has its reason on the page, and no other has; README has no marks."""
    for name in STAGED.keys() - {"README.md"}:
        for block in shells(name):
            idle = all(map(reason, commands(block)))
            assert bool(block.mark) == idle, f"{name}:{block.line}"


def test_most_is_typed_and_no_rule_is_idle():
    found = [(command, bool(block.mark or reason(command))) for _, block, command in every()]
    assert sum(not idle for _, idle in found) > 0.6 * len(found) > 60
    for pattern in (*NOT_TYPED, *SHORT):
        assert any(re.match(pattern, command) for command, _ in found), pattern
