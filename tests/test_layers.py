"""House rules as tests: import layers, sizes, no pickle, no keyword tunnels, docstrings, quiet imports.

Every rule is a function from one parsed source to a list of complaints. It runs over the library, and over
planted snippets that it must complain about: a checker that finds nothing anywhere proves nothing.
"""

import ast
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ops", "gan", "training", "metrics")
MAX_FUNCTION, MAX_FILE = 60, 350

# Layer -> layers it may import. gan.cli is the top layer, although its folder lies in gan.
LAYERS = {
    "ops": {"ops"},
    "gan": {"ops", "gan"},
    "training": {"ops", "gan", "training"},
    "metrics": {"ops", "gan", "metrics"},
    "gan.cli": {"ops", "gan", "training", "metrics", "gan.cli"},
}
# What the core installation brings; anything else is imported where an extra needs it, inside a function.
CORE = {
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "click",
    "tensorboard",
    "PIL",
    "safetensors",
    "tqdm",
    "yaml",
}
PICKLES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
# Functions whose ** parameter is their purpose: it names entries and is forwarded to nobody.
NAMED_ENTRIES = {("gan/registry.py", "table")}
MACHINE_PATH = re.compile(r"(?<![\w./~$}-])/(?:work|home|root|Users|mnt|tmp|scratch)/\w")


@dataclass(frozen=True)
class Source:
    """One Python file: path relative to the repository, text, syntax tree."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return _parse(self.text)

    @property
    def layer(self) -> str:
        """Key of LAYERS; "" outside the library."""
        return layer_of(self.path.removesuffix(".py").replace("/", "."))


@cache
def _parse(text: str) -> ast.Module:
    return ast.parse(text)


def layer_of(module: str) -> str:
    """gan.cli.train -> gan.cli, and so `python -m gan`; metrics.frechet -> metrics; numpy.linalg -> ""."""
    if module == "gan.__main__" or f"{module}.".startswith("gan.cli."):
        return "gan.cli"
    top = module.partition(".")[0]
    return top if top in LAYERS else ""


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda]:
    """Every function, method and lambda, nested ones too."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return (node for node in ast.walk(tree) if isinstance(node, kinds))


def dotted(node: ast.AST) -> str:
    """`torch.nn.Module` for that expression; "" for anything but names and attributes."""
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return base and f"{base}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imports(source: Source, root: ast.AST | None = None) -> Iterator[tuple[int, str]]:
    """(line, absolute module) for every import, in function bodies too, and import_module("...") calls."""
    package = source.path.removesuffix(".py").removesuffix("/__init__").split("/")
    if not source.path.endswith("__init__.py"):
        package = package[:-1]
    for node in ast.walk(root or source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] in (
            "import_module",
            "__import__",
        ):
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant):
                    yield node.lineno, str(argument.value)


def check_layers(source: Source) -> list[str]:
    """Imports go down the layers only; ops <- gan <- training | metrics <- gan.cli."""
    allowed = LAYERS[source.layer]
    found = ((line, module) for line, module in imports(source))
    return [
        f"{source.path}:{line}: {source.layer} imports {module}"
        for line, module in found
        if layer_of(module) and layer_of(module) not in allowed
    ]


def check_core(source: Source) -> list[str]:
    """Outside function bodies only the standard library and the core dependencies are imported."""
    inner = {line for function in functions(source.tree) for line, _ in imports(source, function)}
    known = CORE | sys.stdlib_module_names | set(PACKAGES)
    return [
        f"{source.path}:{line}: {module} is no core dependency; import it inside the function that needs it"
        for line, module in imports(source)
        if line not in inner and module.partition(".")[0] not in known
    ]


def check_sizes(source: Source) -> list[str]:
    """Functions and files short enough to hold in mind."""
    lines = source.text.count("\n")
    found = [f"{source.path}: {lines} lines (limit {MAX_FILE})"] if lines > MAX_FILE else []
    for function in functions(source.tree):
        length = function.end_lineno - function.lineno + 1
        if length > MAX_FUNCTION:
            name = getattr(function, "name", "lambda")
            found.append(f"{source.path}:{function.lineno}: {name} has {length} lines (limit {MAX_FUNCTION})")
    return found


def check_pickle(source: Source) -> list[str]:
    """No format that executes code when it is read: no pickle, also not through torch or numpy."""
    found = [
        f"{source.path}:{line}: {module} executes what it loads"
        for line, module in imports(source)
        if PICKLES & set(module.split("."))
    ]
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        given = {k.arg: getattr(k.value, "value", None) for k in node.keywords}  # None: not a constant
        bad = name == "torch.save"
        bad |= name == "torch.load" and given.get("weights_only") is not True
        bad |= name in ("np.load", "numpy.load") and given.get("allow_pickle", False) is not False
        if bad:
            found.append(f"{source.path}:{node.lineno}: {name} uses pickle; use safetensors or JSON")
    return found


def check_tunnels(source: Source) -> list[str]:
    """No `**kwargs` parameters: a misspelt option must fail at the door."""
    return [
        f"{source.path}:{function.lineno}: {name} takes **{function.args.kwarg.arg}"
        for function in functions(source.tree)
        if function.args.kwarg
        and (source.path, name := getattr(function, "name", "lambda")) not in NAMED_ENTRIES
    ]


def check_docstrings(source: Source) -> list[str]:
    """Module, public functions and public classes say what they are."""
    named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [] if ast.get_docstring(source.tree) else [f"{source.path}: no module docstring"]
    return found + [
        f"{source.path}:{node.lineno}: {node.name} has no docstring"
        for node in source.tree.body
        if isinstance(node, named) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]


def check_machine_paths(source: Source) -> list[str]:
    """No absolute path of somebody's machine; works on any text."""
    lines = enumerate(source.text.splitlines(), 1)
    return [f"{source.path}:{n}: {line.strip()}" for n, line in lines if MACHINE_PATH.search(line)]


CHECKS = (
    check_layers,
    check_core,
    check_sizes,
    check_pickle,
    check_tunnels,
    check_docstrings,
    check_machine_paths,
)


@cache
def library() -> tuple[Source, ...]:
    """Every Python file of the four packages."""
    paths = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return tuple(Source(p.relative_to(ROOT).as_posix(), p.read_text(encoding="utf-8")) for p in paths)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_library(check: Callable[[Source], list[str]]) -> None:
    complaints = [line for source in library() for line in check(source)]
    assert not complaints, "\n" + "\n".join(complaints)


def test_library_is_found() -> None:
    layers = {source.layer for source in library()}
    assert layers == set(LAYERS)


def test_sizes_of_tests() -> None:
    paths = sorted((ROOT / "tests").rglob("*.py"))
    sources = [Source(p.relative_to(ROOT).as_posix(), p.read_text(encoding="utf-8")) for p in paths]
    complaints = [line for source in sources for line in check_sizes(source)]
    assert not complaints, "\n" + "\n".join(complaints)


def test_machine_paths_in_text_files() -> None:
    suffixes = {".md", ".yaml", ".cfg", ".toml", ".ipynb", ".h", ".cpp", ".cu", ".json", ".sh"}
    folders = [ROOT / name for name in (*PACKAGES, "docs", "notebooks", "tests", ".ci")]
    paths = [p for p in ROOT.iterdir() if p.is_file()]
    paths += [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    chosen = [p for p in paths if p.suffix in suffixes or p.name in ("Makefile", "run", ".gitignore")]
    sources = [Source(p.relative_to(ROOT).as_posix(), p.read_text(encoding="utf-8")) for p in chosen]
    complaints = [line for source in sources for line in check_machine_paths(source)]
    assert len(sources) > 5
    assert not complaints, "\n" + "\n".join(complaints)


PLANTED = [
    (check_layers, "ops/x.py", "import gan"),
    (check_layers, "gan/x.py", "from training.loop import train"),
    (check_layers, "gan/x.py", "def f():\n    import metrics.frechet"),
    (check_layers, "gan/__init__.py", "from gan.cli import main"),
    (check_layers, "gan/__init__.py", "from . import cli"),
    (check_layers, "gan/x.py", "from .cli.main import main"),
    (check_layers, "training/x.py", "import metrics"),
    (check_layers, "training/a/x.py", "from gan.cli import common"),
    (check_layers, "metrics/x.py", "importlib.import_module('training.loop')"),
    (check_core, "gan/x.py", "import emoji"),
    (check_core, "gan/x.py", "try:\n    from fontTools import ttLib\nexcept ImportError:\n    ttLib = None"),
    (check_sizes, "gan/x.py", "def f():\n" + "    pass\n" * MAX_FUNCTION),
    (check_sizes, "gan/x.py", "x = 1\n" * (MAX_FILE + 1)),
    (check_pickle, "gan/x.py", "import pickle"),
    (check_pickle, "gan/x.py", "def f():\n    from pickle import loads"),
    (check_pickle, "gan/x.py", "torch.load(path)"),
    (check_pickle, "gan/x.py", "torch.load(path, weights_only=False)"),
    (check_pickle, "gan/x.py", "np.load(path, allow_pickle=True)"),
    (check_pickle, "gan/x.py", "np.load(path, allow_pickle=flag)"),
    (check_pickle, "gan/x.py", "torch.save(state, path)"),
    (check_tunnels, "gan/x.py", "def f(a, **kwargs): pass"),
    (check_tunnels, "gan/x.py", "class A:\n    def f(self, **options): pass"),
    (check_tunnels, "gan/x.py", "f = lambda **kw: kw"),
    (check_tunnels, "gan/registry.py", "def other(**named): pass"),
    (check_docstrings, "gan/x.py", "x = 1"),
    (check_docstrings, "gan/x.py", '"""Module."""\ndef f(): pass'),
    (check_docstrings, "gan/x.py", '"""Module."""\nclass A: pass'),
    (check_machine_paths, "README.md", "see /" + "home/me/data"),
    (check_machine_paths, "gan/x.py", "OUT = '/" + "tmp/x'"),
]


@pytest.mark.parametrize(("check", "path", "text"), PLANTED)
def test_planted(check: Callable[[Source], list[str]], path: str, text: str) -> None:
    complaints = check(Source(path, text))
    assert len(complaints) == 1, complaints
    assert complaints[0].startswith(path)


FINE = [
    ("ops/x.py", "import torch\nfrom ops.build import load_kernels\nfrom . import autograd"),
    ("training/x.py", "import ops, gan.models.checkpoint\nfrom training.state import TrainState"),
    ("gan/cli/x.py", "import training.loop\nimport metrics\nfrom gan.cli.common import options"),
    ("gan/clip.py", "def _f():\n    import emoji\nimport numpy as np"),
    ("gan/registry.py", 'def table(what, /, **named): "Table."'),
    ("metrics/x.py", "torch.load(p, weights_only=True)\nnp.load(p)\nnp.load(p, allow_pickle=False)"),
    ("gan/x.py", "def _f():\n" + "    pass\n" * (MAX_FUNCTION - 1)),
    ("gan/x.py", "URL = 'https://example.org/home/page'\nP = root + '/tmp'\nQ = 'runs/tmp/x'"),
]


@pytest.mark.parametrize(("path", "text"), FINE)
def test_fine(path: str, text: str) -> None:
    source = Source(path, f'"""Module."""\n{text}')
    assert [line for check in CHECKS for line in check(source)] == []


def run_python(code: str, folder: Path) -> str:
    """Standard output of a fresh interpreter that ran `code` in `folder`."""
    command = [sys.executable, "-W", "ignore", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_imports_do_no_work(tmp_path: Path) -> None:
    """Importing every module changes no torch setting, draws no random number and writes no file."""
    modules = [source.path.removesuffix(".py").removesuffix("/__init__") for source in library()]
    modules = [name.replace("/", ".") for name in modules if not name.endswith("__main__")]
    code = textwrap.dedent(f"""
        import importlib, os, random, torch
        def settings():
            return dict(
                threads=torch.get_num_threads(), dtype=torch.get_default_dtype(),
                device=torch.get_default_device(), grad=torch.is_grad_enabled(),
                precision=torch.get_float32_matmul_precision(), cudnn=torch.backends.cudnn.benchmark,
                tf32=(torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32),
                deterministic=torch.are_deterministic_algorithms_enabled(), cuda=torch.cuda.is_initialized(),
                random=(random.getstate(), torch.get_rng_state().tolist()), environment=dict(os.environ))
        before = settings()
        for name in {modules!r}:
            importlib.import_module(name)
        after = settings()
        print([key for key in before if before[key] != after[key]])
    """)
    assert run_python(code, tmp_path).strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_command_line_starts_without_torch(tmp_path: Path) -> None:
    code = "import gan, gan.cli.main; print([m for m in ('torch', 'numpy', 'scipy') if m in sys.modules])"
    assert run_python(code, tmp_path).strip() == "[]"
