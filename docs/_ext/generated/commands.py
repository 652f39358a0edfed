"""The command line's reference, from click itself."""

import inspect
import re
from collections.abc import Iterator

import click

from gan.cli.main import COMMANDS, main
from generated.text import cell, code, fenced, prose, table


def each() -> Iterator[tuple[str, click.Command]]:
    """Every command with the words that call it, groups before what they hold."""
    top = click.Context(main, info_name="gan")
    for name in COMMANDS:
        found = main.get_command(top, name)
        yield f"gan {name}", found
        if isinstance(found, click.Group):
            inner = click.Context(found, info_name=name, parent=top)
            for part in found.list_commands(inner):
                yield f"gan {name} {part}", found.get_command(inner, part)


def example(command: click.Command) -> tuple[str, str]:
    """What stands below a command's help: (words, examples as one would type them)."""
    text = inspect.cleandoc((command.epilog or "").replace("\b", ""))
    found = re.search(r"^Examples?:", text, re.M)
    cut = found.start() if found else len(text)
    return text[:cut].rstrip(), inspect.cleandoc(text[cut:].partition(":")[2])


def section(name: str, command: click.Command) -> str:
    """One command: what it does, how it is called, an example, its options."""
    context = click.Context(command, info_name=name)
    usage = command.get_usage(context).removeprefix("Usage: ")
    parts = [
        f"{'#' * min(3, name.count(' ') + 1)} {name}\n",
        prose(inspect.cleandoc(command.help or "")),
        fenced(usage, "text"),
    ]
    words, examples = example(command)
    parts += [prose(words)] if words else []
    parts += ["For example:\n", fenced(examples, "bash")] if examples else []
    records = [p.get_help_record(context) for p in command.get_params(context) if isinstance(p, click.Option)]
    rows = [(code(names), cell(text)) for names, text in filter(None, records) if "--help" not in names]
    if rows:
        parts.append(table(("Option", "What it does"), rows))
    return "\n".join(parts)


def markdown() -> str:
    """All commands, in the order of work."""
    return "\n".join(section(name, command) for name, command in each())
