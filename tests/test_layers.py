"""The rooms of the library: imports go one way, and no module imports itself by a way round.

Each rule runs over the library, and over planted snippets that it must complain about: a checker that finds
nothing anywhere proves nothing.
"""

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.sources import Source, annotations, functions, imports, library

# Room -> rooms it may import, from the bottom to the top. A module belongs to the room of its longest prefix.
# The front of the package `gan` is the door: it loads what it offers when it is asked for, from any room.
GROUND = {"ops", "gan"}
MODEL = GROUND | {"gan.networks", "gan.latents", "gan.sampling", "gan.models"}
JOBS = MODEL | {"training", "metrics", "gan.jobs.marking", "gan.jobs"}
ROOMS = {
    "ops": {"ops"},
    "gan": GROUND,
    "gan.networks": GROUND | {"gan.networks"},
    "gan.latents": GROUND | {"gan.networks", "gan.latents"},
    "gan.sampling": GROUND | {"gan.networks", "gan.latents", "gan.sampling"},
    "gan.models": MODEL,
    "training": MODEL | {"training"},
    "metrics": MODEL | {"metrics"},
    "gan.jobs.marking": GROUND | {"gan.jobs.marking"},
    "gan.jobs": JOBS,
    "gan.web": JOBS | {"gan.web"},
    "gan.cli": JOBS | {"gan.web", "gan.cli"},
}
DOOR = "gan/__init__.py"


def room_of(module: str) -> str:
    """gan.cli.train -> gan.cli, and so `python -m gan`; gan.files -> gan; numpy.linalg -> ""."""
    if module == "gan.__main__":
        return "gan.cli"
    rooms = [room for room in ROOMS if f"{module}.".startswith(f"{room}.")]
    return max(rooms, key=len, default="")


def check_layers(source: Source) -> list[str]:
    """Imports go down the rooms only; the door may look into the rooms of jobs, inside its functions."""
    allowed = ROOMS[room_of(source.module)]
    if source.path == DOOR:
        inner = {line for function in functions(source.tree) for line, _ in imports(source, function)}
        inner |= annotations(source)
        found = [(line, module) for line, module in imports(source) if line not in inner]
        found += [(line, module) for line, module in imports(source) if room_of(module) == "gan.cli"]
    else:
        found = list(imports(source))
    return [
        f"{source.path}:{line}: {room_of(source.module)} imports {module}"
        for line, module in found
        if room_of(module) and room_of(module) not in allowed
    ]


def circles(sources: Sequence[Source]) -> list[str]:
    """Modules that import each other when they are loaded, by whatever way round: one line a circle.

    Imports inside functions count as well, for they hide a circle and do not open it; those for annotations
    alone do not, for nothing loads them.
    A package does not count as importing its own modules through itself.
    """
    modules = {source.module for source in sources}
    graph: dict[str, set[str]] = {}
    for source in sources:
        if source.path == DOOR:
            continue
        loaded = (name for line, name in imports(source) if line not in annotations(source))
        names = {name if name in modules else name.rpartition(".")[0] for name in loaded}
        graph[source.module] = {n for n in names & modules if n not in (source.module, "gan")}
    found = []
    sorter = TopologicalSorter(graph)
    while True:
        try:
            sorter.prepare()
        except CycleError as error:
            found.append(" <- ".join(error.args[1]))
            graph[error.args[1][1]].discard(error.args[1][0])
            sorter = TopologicalSorter(graph)
            continue
        return found


def test_rooms() -> None:
    complaints = [line for source in library() for line in check_layers(source)]
    assert not complaints, "\n" + "\n".join(complaints)


def test_rooms_are_found() -> None:
    assert {room_of(source.module) for source in library()} == set(ROOMS)


def test_no_circles() -> None:
    found = circles(library())
    assert not found, "\n" + "\n".join(found)


def test_planted_circle() -> None:
    a = Source("gan/cli/a.py", "from gan.cli import b")
    b = Source("gan/cli/b.py", "def f():\n    from gan.cli.c import g")
    c = Source("gan/cli/c.py", "import gan.cli.a")
    package = Source("gan/cli/__init__.py", "from gan.cli import a")
    assert len(circles([a, b, c, package])) == 1
    assert circles([a, b, package]) == []


PLANTED = [
    ("ops/x.py", "import gan"),
    ("gan/x.py", "from training.loop import train"),
    ("gan/x.py", "def f():\n    import metrics.frechet"),
    ("gan/__init__.py", "from gan.cli import main"),
    ("gan/__init__.py", "from . import cli"),
    ("gan/x.py", "from .cli.main import main"),
    ("training/x.py", "import metrics"),
    ("training/a/x.py", "from gan.cli import common"),
    ("training/x.py", "from gan import jobs"),
    ("gan/files.py", "from gan.networks.base import Network"),
    ("gan/networks/x.py", "from gan.latents.seeds import z_from_seeds"),
    ("gan/latents/x.py", "from gan import sampling"),
    ("gan/sampling.py", "import gan.models.checkpoint"),
    ("gan/jobs/x.py", "from gan.cli.common import echo_json"),
    ("gan/jobs/marking/x.py", "from gan.jobs.serving.keys import Key"),
    ("gan/jobs/x.py", "from gan.web.shell import serve"),
    ("gan/web/x.py", "from gan.cli.common import echo_json"),
    ("gan/__init__.py", "from gan.jobs import training"),
    ("gan/__init__.py", "def f():\n    from gan.cli import main"),
    ("metrics/x.py", "importlib.import_module('training.loop')"),
]


@pytest.mark.parametrize(("path", "text"), PLANTED)
def test_planted(path: str, text: str) -> None:
    complaints = check_layers(Source(path, text))
    assert complaints
    assert all(line.startswith(path) for line in complaints)


FINE = [
    ("ops/x.py", "import torch\nfrom ops.build import load_kernels\nfrom . import autograd"),
    ("training/x.py", "import ops, gan.models.checkpoint\nfrom training.state import TrainState"),
    ("gan/web/x/y.py", "from gan.web.shell import serve\nfrom gan.jobs import work_folder"),
    ("gan/cli/x.py", "from gan.web.review import pages"),
    ("gan/cli/x.py", "import training.loop\nimport metrics\nfrom gan.cli.common import options"),
    ("gan/__init__.py", 'def load():\n    "Load."\n    from gan.models import checkpoint'),
    ("gan/jobs/x.py", "import metrics\nfrom training import loop\nfrom gan.models import checkpoint"),
]


@pytest.mark.parametrize(("path", "text"), FINE)
def test_fine(path: str, text: str) -> None:
    assert check_layers(Source(path, text)) == []
