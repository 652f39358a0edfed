"""House rules as tests: sizes, no pickle, no keyword tunnels, docstrings, quiet imports; rooms: test_layers.

Every rule is a function from one parsed source to a list of complaints. It runs over the library, and over
planted snippets that it must complain about: a checker that finds nothing anywhere proves nothing.
"""

import ast
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sources import PACKAGES, ROOT, Source, dotted, functions, imports, library, nodes

MAX_FUNCTION, MAX_FILE = 60, 350
MAX_COMMAND = 40  # lines of a function in gan/cli, from its def: options -> one call of a job -> output
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


def check_commands(source: Source) -> list[str]:
    """A command is too short to hold work that a notebook could want; decorators do not count."""
    return [
        f"{source.path}:{function.lineno}: {function.name} has {length} lines (limit {MAX_COMMAND})"
        for function in functions(source.tree)
        if source.path.startswith("gan/cli/") and not isinstance(function, ast.Lambda)
        if (length := function.end_lineno - function.lineno + 1) > MAX_COMMAND
    ]


def check_pickle(source: Source) -> list[str]:
    """No format that executes code when it is read: no pickle, also not through torch or numpy."""
    found = [
        f"{source.path}:{line}: {module} executes what it loads"
        for line, module in imports(source)
        if PICKLES & set(module.split("."))
    ]
    for node in nodes(source.tree):
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


_PILLOW = {"PIL": ".Image.open", "PIL.Image": ".open", "PIL.Image.open": ""}  # imported -> how it is called


def check_pictures(source: Source) -> list[str]:
    """Pillow is told which formats to read: it has dozens of readers, most of them for files of strangers."""
    names = {"PIL.Image.open"}
    for node in nodes(source.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            place = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                if (rest := _PILLOW.get(f"{place}{alias.name}")) is not None and (place or alias.asname):
                    names.add(f"{alias.asname or alias.name}{rest}")
    calls = (n for n in nodes(source.tree) if isinstance(n, ast.Call) and dotted(n.func) in names)
    return [
        f'{source.path}:{call.lineno}: {dotted(call.func)} without formats=; name them, such as ("PNG",)'
        for call in calls
        if all(k.arg != "formats" or getattr(k.value, "value", k) is None for k in call.keywords)
    ]


CHECKS = (
    check_pictures,
    check_core,
    check_sizes,
    check_commands,
    check_pickle,
    check_tunnels,
    check_docstrings,
    check_machine_paths,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_library(check: Callable[[Source], list[str]]) -> None:
    complaints = [line for source in library() for line in check(source)]
    assert not complaints, "\n" + "\n".join(complaints)


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
    (check_core, "gan/x.py", "import emoji"),
    (check_core, "gan/x.py", "try:\n    from fontTools import ttLib\nexcept ImportError:\n    ttLib = None"),
    (check_sizes, "gan/x.py", "def f():\n" + "    pass\n" * MAX_FUNCTION),
    (check_sizes, "gan/x.py", "x = 1\n" * (MAX_FILE + 1)),
    (check_commands, "gan/cli/x.py", "def command():\n" + "    pass\n" * MAX_COMMAND),
    (check_commands, "gan/cli/x.py", "class A:\n    def f(self):\n" + "        pass\n" * MAX_COMMAND),
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
    (check_pictures, "gan/x.py", "from PIL import Image\nImage.open(path)"),
    (check_pictures, "gan/x.py", "from PIL import Image\nImage.open(path, formats=None)"),
    (
        check_pictures,
        "gan/x.py",
        "def f():\n    from PIL import Image as I\n    I.open(path)",
    ),
    (check_pictures, "gan/x.py", "import PIL.Image\nPIL.Image.open(path, 'r')"),
    (check_pictures, "gan/x.py", "import PIL.Image as P\nP.open(path)"),
    (check_pictures, "gan/x.py", "from PIL.Image import open as o\no(path)"),
    (check_machine_paths, "README.md", "see /" + "home/me/data"),
    (check_machine_paths, "gan/x.py", "OUT = '/" + "tmp/x'"),
]


@pytest.mark.parametrize(("check", "path", "text"), PLANTED)
def test_planted(check: Callable[[Source], list[str]], path: str, text: str) -> None:
    complaints = check(Source(path, text))
    assert len(complaints) == 1, complaints
    assert complaints[0].startswith(path)


FINE = [
    ("gan/clip.py", "def _f():\n    import emoji\nimport numpy as np"),
    ("gan/registry.py", 'def table(what, /, **named): "Table."'),
    ("metrics/x.py", "torch.load(p, weights_only=True)\nnp.load(p)\nnp.load(p, allow_pickle=False)"),
    ("gan/x.py", "from PIL import Image\nImage.open(p, formats=('PNG',))\nopen(p)\nzipfile.open(p)"),
    ("gan/x.py", "def _f():\n" + "    pass\n" * (MAX_FUNCTION - 1)),
    ("gan/cli/x.py", "@option('x')\n" * MAX_COMMAND + "def _f():\n" + "    pass\n" * (MAX_COMMAND - 1)),
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
    """Importing every module changes no torch setting, draws no random number and writes no file.

    Jobs load no compiler, nor its algebra and scipy's signals, which take seconds; click is the command line.
    """
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
        import gan.jobs.sampling, gan.jobs.training, gan.jobs.evaluation
        print([m for m in ("torch._dynamo", "sympy", "scipy.signal", "click") if m in sys.modules])
        for name in {modules!r}:
            importlib.import_module(name)
        after = settings()
        print([key for key in before if before[key] != after[key]])
    """)
    assert run_python(code, tmp_path).split() == ["[]", "[]"]
    assert list(tmp_path.iterdir()) == []


def test_command_line_starts_without_torch(tmp_path: Path) -> None:
    """So does every command, until it is called: `gan train --help` is as quick as `gan --help`."""
    commands = ", ".join(s.module for s in library() if s.path.startswith("gan/cli/"))
    code = f"import {commands}; print([m for m in ('torch', 'numpy', 'scipy') if m in sys.modules])"
    assert run_python(code, tmp_path).strip() == "[]"
