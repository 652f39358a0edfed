"""Every key of a run's settings, from the dataclasses, with the words of their docstrings; every preset."""

import dataclasses
import inspect
import re
import typing
from importlib import resources
from typing import Any

import yaml

from gan.config import describe_type, to_dict
from gan.networks import ARCHITECTURES
from generated.text import cell, code, escaped, fenced, prose, table
from training.config import RunConfig

HEAD = ("Key", "Default", "Takes", "Means")


def meanings(cls: type) -> tuple[str, dict[str, str]]:
    """What the docstrings of a class and its bases say: (before the first key, key -> its words)."""
    names = [field.name for field in dataclasses.fields(cls)]
    key = "|".join(sorted(names, key=len, reverse=True))
    said: dict[str, str] = {}
    lead = ""
    for base in reversed(cls.__mro__):
        text = " ".join((inspect.getdoc(base) or "").split()) if "__doc__" in vars(base) else ""
        if not dataclasses.is_dataclass(base) or text.startswith(f"{base.__name__}("):
            continue
        parts = re.split(rf"(?:^|(?<= ))((?:{key})(?:, (?:{key}))*): ", text)
        lead = parts[0].strip()
        for together, words in zip(parts[1::2], parts[2::2], strict=True):
            said.update(dict.fromkeys(together.split(", "), words.strip()))
    return lead, said


def shown(value: Any) -> str:
    """A default as it is typed in YAML."""
    return yaml.safe_dump(to_dict(value), default_flow_style=True, width=1000).removesuffix("...\n").strip()


def section(cls: type, where: str, title: str, depth: int = 2) -> str:
    """A section of the settings, and those within it."""
    lead, said = meanings(cls)
    hints, rows, inner = typing.get_type_hints(cls), [], []
    for field in dataclasses.fields(cls):
        dotted = f"{where}.{field.name}" if where else field.name
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if dataclasses.is_dataclass(default):
            if "variants" not in field.metadata:
                inner.append(section(type(default), dotted, dotted, 3 if where else 2))
            continue
        takes = describe_type(hints[field.name])
        rows.append((code(dotted), code(shown(default)), cell(takes), cell(said.get(field.name, ""))))
    heading = f"{'#' * depth} {title}\n\n{escaped(lead)}\n"
    return "\n".join([heading, table(HEAD, rows), *inner])


def markdown() -> str:
    """The settings of a run, then those of each kind of network."""
    parts = [section(RunConfig, "", "The run")]
    for role in ("generator", "discriminator"):
        for name, family in ARCHITECTURES.items():
            if cls := getattr(family, role):
                parts.append(section(cls, role, f"{role}.type: {name}"))
    return "\n".join(parts)


def presets() -> str:
    """Each shipped preset: the comment at its top, and its file."""
    parts = []
    folder = resources.files("training") / "presets"
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.endswith(".yaml"):
            lines = path.read_text(encoding="utf-8").splitlines()
            count = next(i for i, line in enumerate(lines) if not line.startswith("#"))
            words = "\n".join(line.lstrip("# ") if "# -" not in line else line[2:] for line in lines[:count])
            parts += [f"## {path.name.removesuffix('.yaml')}\n", _comment(words)]
            parts.append(fenced("\n".join(lines[count:]), "yaml"))
    return "\n".join(parts)


def _comment(words: str) -> str:
    """A comment with its list as a list."""
    text, *items = re.split(r"^- ", words, flags=re.M)
    said = [prose(" ".join(text.split()))] if text.strip() else []
    return "\n".join([*said, *(f"- {escaped(' '.join(item.split()))}" for item in items), ""])
