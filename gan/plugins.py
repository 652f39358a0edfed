"""Plug-ins: files of your own that add networks, losses, metrics, augmentations or presets to their tables.

A plug-in is a Python file that runs once, when it is named, and adds to the tables:

    from gan.networks import ARCHITECTURES, Architecture
    ARCHITECTURES.add("mine", Architecture(MyGeneratorConfig, MyDiscriminatorConfig))

Installed packages offer theirs under the entry-point group `gan.plugins`. A run keeps name, path and sha256
of its plug-ins, and so do its checkpoints. Reading a checkpoint never runs code: it asks for what is missing.
"""

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from gan.errors import UsageError, UserError, unknown
from gan.files import sha256

GROUP = "gan.plugins"  # of entry points, each naming a module


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """name: of the file, or of the entry point.  path: where it was loaded from.  sha256: of its text."""

    name: str
    path: str
    sha256: str


_loaded: dict[str, Plugin] = {}
_named: set[str] = set()  # those that somebody asked for by name


def load(plugin: str | Path) -> Plugin:
    """Run a plug-in, once in this process: a .py file, or the name of an installed one.

    Raises UsageError if there is none, or one of its name is loaded with another text, UserError with file
    and line if it fails.
    """
    path = Path(plugin)
    if path.suffix != ".py":
        installed = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
        if str(plugin) not in installed:
            wanted = unknown("plug-in", str(plugin), installed)
            raise UsageError(f"{wanted}; a path to a .py file works too")
        found = _load_installed(installed[str(plugin)])
    elif not path.is_file():
        raise UsageError(f"no plug-in at {path}: mend the path")
    else:
        found = _run(path.name, path)
    _named.add(found.name)
    return found


def load_installed() -> list[Plugin]:
    """Run every plug-in that an installed package offers."""
    return [_load_installed(entry) for entry in metadata.entry_points(group=GROUP)]


def loaded() -> tuple[Plugin, ...]:
    """What was run in this process, in that order."""
    return tuple(_loaded.values())


def require(recorded: Iterable[Mapping[str, Any]], what: str) -> None:
    """UserError unless every recorded plug-in is loaded; `what` needs them, such as a checkpoint's path.

    One whose text has changed must have been asked for by name; then a UserWarning says so.
    """
    for entry in recorded:
        wanted = Plugin(**{key: str(entry.get(key, "")) for key in ("name", "path", "sha256")})
        found = _loaded.get(wanted.name)
        ask = f"name it with --plugin {wanted.path}, or gan.plugins.load({wanted.path!r})"
        if found is None:
            raise UserError(f"{what} needs the plug-in {wanted.name} (sha256 {wanted.sha256[:12]}): {ask}")
        if found.sha256 != wanted.sha256:
            changed = f"the plug-in {wanted.name} is not the one of {what}: its sha256 begins with"
            changed += f" {found.sha256[:12]}, not with {wanted.sha256[:12]}"
            if wanted.name not in _named:
                raise UserError(f"{changed}. If it will do, {ask}")
            warnings.warn(changed, stacklevel=2)


def module_asked(place: str, asked: str, wanted: str) -> ModuleType:
    """As `module_at`, for what somebody typed. asked: option and value; wanted: what the place should hold.

    Raises UsageError where there is no such module, UserError with the reason where it fails.
    """
    try:
        return module_at(place)
    except (UserError, ModuleNotFoundError) as error:
        raise UsageError(f"{asked}: {error}; for a file write its path, FILE.py:{wanted}") from error
    except Exception as error:
        raise UserError(f"{asked}: {place} fails: {type(error).__name__}: {error}") from error


def module_at(place: str) -> ModuleType:
    """A module by its name, or by the path of its .py file, run once in this process; no plug-in of a run.

    Raises UserError for a file that there is not, and whatever the module itself raises.
    """
    if not place.endswith(".py"):
        return importlib.import_module(place)
    path = Path(place).resolve()
    if not path.is_file():
        raise UserError(f"there is no file {place}")
    name = f"gan_own_{path.stem}"
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(path):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _load_installed(entry: metadata.EntryPoint) -> Plugin:
    spec = importlib.util.find_spec(entry.value)
    if spec is None or spec.origin is None:
        raise UserError(f"the installed plug-in {entry.name} names {entry.value}, which is not there")
    return _run(entry.name, Path(spec.origin))


def _run(name: str, path: Path) -> Plugin:
    """Execute the file as a module of its own, unless it was."""
    plugin = Plugin(name=name, path=str(path), sha256=sha256(path))
    if before := _loaded.get(name):
        if before.sha256 != plugin.sha256:
            raise UsageError(f"a plug-in {name} is loaded already, from {before.path}: rename one of them")
        return before
    spec = importlib.util.spec_from_file_location(f"gan_plugin_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look up their annotations
    try:
        spec.loader.exec_module(module)
    except UserError:
        raise
    except Exception as error:
        line, trace = "", error.__traceback__
        while trace:
            if trace.tb_frame.f_code.co_filename == str(path):
                line = f" line {trace.tb_lineno}"
            trace = trace.tb_next
        if isinstance(error, SyntaxError):
            line = f" line {error.lineno}"
        raise UserError(f"the plug-in {path}{line} fails: {type(error).__name__}: {error}") from error
    _loaded[name] = plugin
    return plugin
