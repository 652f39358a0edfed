"""The Python reference, from signatures and docstrings: functions and classes that a module offers."""

import dataclasses
import importlib
import inspect
from typing import Any

from generated import settings
from generated.text import escaped, fenced, prose

DOOR = ("load", "load_discriminator", "train", "sample", "evaluate", "compare")  # gan makes these when asked


def public(name: str) -> list[str]:
    """Names that a module offers: its __all__, else what it defines itself and does not hide."""
    if name == "gan":
        return list(DOOR)
    module = importlib.import_module(name)
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and getattr(value, "__module__", "") == name
        if inspect.isfunction(value) or inspect.isclass(value) or hasattr(value, "__wrapped__")
    ]


def signature(value: Any) -> str:
    """(model, device='cpu') without annotations: shapes and types stand in the words below. "" if unknown."""
    from sphinx.util.inspect import stringify_signature

    try:
        return stringify_signature(inspect.signature(value), show_annotation=False)
    except (TypeError, ValueError):
        return ""


def described(value: Any) -> str:
    """A docstring as Markdown; of a dataclass with a list of its fields."""
    if inspect.isclass(value) and dataclasses.is_dataclass(value):
        lead, said = settings.meanings(value)
        items = [f"- `{name}`: {escaped(words)}" for name, words in said.items()]
        return "\n".join([f"{escaped(lead)}\n", *items, ""])
    return prose(inspect.getdoc(value) or "")


def block(kind: str, head: str, body: str, fence: str = "``````") -> str:
    """A directive of Sphinx's Python domain, for the index and the search."""
    return f"{fence}{{py:{kind}}} {head}\n\n{body}\n{fence}\n"


def entry(module: str, name: str) -> str:
    """One name of a module; of a class also its public methods that have words of their own."""
    value = getattr(importlib.import_module(module), name)
    if inspect.isclass(value):
        body = described(value)
        for key, member in vars(value).items():
            if key.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property)):
                continue
            if inspect.isfunction(member):
                body += "\n" + block("method", key + _without_self(member), described(member), "`````")
            else:
                body += "\n" + block("property", key, described(member), "`````")
        return block("class", f"{module}.{name}{signature(value)}", body)
    if callable(value):
        return block("function", f"{module}.{name}{signature(value)}", described(value))
    shown = "" if inspect.ismodule(value) else f"`{name} = {value!r}`\n" if len(repr(value)) < 60 else ""
    kind = "module" if inspect.ismodule(value) else "data"
    words = prose(value.__doc__ or "") if inspect.ismodule(value) else shown
    return block("data" if kind == "module" else kind, f"{module}.{name}", words)


def _without_self(method: Any) -> str:
    return signature(method).replace("(self, ", "(").replace("(self)", "()")


def markdown(name: str) -> str:
    """A module: its words, then all that it offers."""
    words = inspect.getdoc(importlib.import_module(name)) or ""
    entries = "\n".join(entry(name, key) for key in public(name))
    return f"## {name}\n\n{prose(words) if words else fenced('')}\n{entries}"
