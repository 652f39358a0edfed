"""The library as parsed sources, for the tests of its rules."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ops", "gan", "training", "metrics")


@dataclass(frozen=True)
class Source:
    """One Python file: path relative to the repository, text, syntax tree."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return _parse(self.text)

    @property
    def module(self) -> str:
        """gan/cli/train.py -> gan.cli.train; gan/cli/__init__.py -> gan.cli."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def _parse(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """All of a file; several rules ask for them."""
    return tuple(ast.walk(tree))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda]:
    """Every function, method and lambda, nested ones too."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return (node for node in nodes(tree) if isinstance(node, kinds))


def dotted(node: ast.AST) -> str:
    """`torch.nn.Module` for that expression; "" for anything but names and attributes."""
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return base and f"{base}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def annotations(source: Source) -> set[int]:
    """Lines of imports that only type checkers follow, below `if TYPE_CHECKING`."""
    blocks = [n for n in nodes(source.tree) if isinstance(n, ast.If) and dotted(n.test) == "TYPE_CHECKING"]
    return {node.lineno for block in blocks for node in ast.walk(block) if hasattr(node, "lineno")}


def imports(source: Source, root: ast.AST | None = None) -> Iterator[tuple[int, str]]:
    """(line, absolute module) for every import, in function bodies too, and import_module("...") calls."""
    package = source.path.removesuffix(".py").removesuffix("/__init__").split("/")
    if not source.path.endswith("__init__.py"):
        package = package[:-1]
    for node in ast.walk(root) if root else nodes(source.tree):
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


@cache
def library() -> tuple[Source, ...]:
    """Every Python file of the four packages."""
    paths = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return tuple(Source(p.relative_to(ROOT).as_posix(), p.read_text(encoding="utf-8")) for p in paths)
