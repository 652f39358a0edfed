"""Command lines in pages: each `gan` line names commands, options, settings, metrics, presets that exist."""

import re
import shlex
from collections.abc import Iterator

import click

from gan.cli.main import main
from gan.config import override
from gan.errors import UserError
from metrics.registry import parse
from training.recipes import load_preset, preset_names

STOPS = {"|", "&&", ";", ">", "&", "2>", "||"}
INLINE = re.compile(r"(?<!`)`(gan [^`]+)`(?!`)")  # a command in a sentence
NAMED = re.compile(
    r"requires an argument\.$|'N' is not a valid|unknown command 'COMMAND'"
)  # without its value


def lines(text: str) -> Iterator[str]:
    """Lines of a shell block, continued ones joined, without empty ones and comments."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.removeprefix("$ ").strip()


def gan_words(line: str) -> Iterator[list[str]]:
    """What follows `gan` in each command of a line, also where torchrun starts it."""
    words = shlex.split(line, comments=True)
    for stop in [i for i, word in enumerate(words) if word in STOPS][::-1]:
        rest, words = words[stop + 1 :], words[:stop]
        yield from _after_gan(rest)
    yield from _after_gan(words)


def _after_gan(words: list[str]) -> Iterator[list[str]]:
    for i, word in enumerate(words):
        if re.fullmatch(r"(\.venv/bin/)?gan", word) or (word == "gan" and words[i - 1] == "-m"):
            if i == 0 or words[0] in ("torchrun", "srun", "python") or "=" in words[0]:
                yield words[i + 1 :]
            return


def in_sentence(line: str) -> Iterator[tuple[str, str]]:
    """(command, what is wrong with it or "") of each in a line of prose; options may lack their values."""
    for text in INLINE.findall(line):
        for words in gan_words(text):
            wrong = complaint(words)
            yield text, "" if NAMED.search(wrong) else wrong


def complaint(words: list[str]) -> str:
    """What is wrong with the words behind `gan`, "" if nothing is."""
    command, name = main, "gan"
    while isinstance(command, click.Group) and words:
        context = click.Context(command, info_name=name)
        if name == "gan serve" and words[0] not in command.commands and words[0] not in ("-h", "--help"):
            words = ["run", *words]
        if words[0].startswith("-"):
            break
        try:
            _, inner, rest = command.resolve_command(context, list(words))
        except click.UsageError as error:
            return error.format_message()
        command, words, name = inner, rest, f"{name} {words[0]}"
    context = click.Context(command, info_name=name)
    try:
        given, _, _ = command.make_parser(context).parse_args(list(words))
        for parameter in command.params:
            value = given.get(parameter.name)
            for part in value if isinstance(value, list) else [value]:
                if part is not None and isinstance(parameter.type, click.Choice | click.IntRange):
                    parameter.type.convert(part, parameter, context)
        check_names(name, given)
    except (click.UsageError, UserError) as error:
        return error.format_message() if isinstance(error, click.UsageError) else str(error)
    return ""


def check_names(name: str, given: dict[str, object]) -> None:
    """Settings, metrics and presets that exist; UserError otherwise. Names in capitals stand for others."""
    preset = str(given.get("preset") or "stylegan2-tiny")
    shipped = preset in preset_names()
    if not shipped and not re.fullmatch(r"[A-Z]+|.*\.yaml", preset):
        load_preset(preset)
    settings = [text for text in given.get("assignments") or [] if not re.fullmatch(r"KEY=VALUE|.*=N", text)]
    if name in ("gan train", "gan tune") and not given.get("resume") and not given.get("plugin"):
        override(load_preset(preset if shipped else "stylegan2-tiny"), settings)
    for metric in re.split(r",(?![^\[]*\])", str(given.get("metrics") or "fid")):
        if not metric.isupper():
            parse(metric)
