"""Names that other tools have: each answer names what exists here, and comes where such a name is typed."""

import re
import shlex

import click
import pytest
from click.testing import CliRunner

from gan import elsewhere
from gan.cli.main import COMMANDS, main
from gan.config import override
from metrics.catalogue import METRICS
from metrics.conventions import CONVENTIONS
from training.config import RunConfig
from training.recipes import preset_names

TABLES = (elsewhere.SCRIPTS, elsewhere.OPTIONS, elsewhere.SCORES, elsewhere.PRESETS)
TORCHRUN = {"--nproc-per-node", "--no-python"}


def command_of(words):
    """The click command that a line begins with, groups followed; None for another program."""
    found = main if words and words[0] == "gan" else None
    for word in words[1:]:
        if not isinstance(found, click.Group):
            break
        found = found.get_command(click.Context(found), word)
    return found


def options_of(command):
    return {option for parameter in command.params for option in parameter.opts}


def every_option():
    commands = [main.get_command(click.Context(main), name) for name in COMMANDS]
    for command in commands:
        commands.extend(getattr(command, "commands", {}).values())
    return {option for command in commands for option in options_of(command)}


def typed_in(answer):
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", answer))


def test_answers_name_options_and_settings_that_exist():
    known = every_option()
    examples = {"N": "8", "VALUE": "0.5", "true": "true", "ada": "ada", "bgc": "bgc", "diffaugment": "ada"}
    for theirs, (answer, _) in elsewhere.OPTIONS.items():
        assert typed_in(answer) <= known | TORCHRUN, theirs
        for key, value in re.findall(r"([\w.]+)=(\w+)", answer):
            override(RunConfig(), [f"{key}={examples[value]}"])
    for name in ("train", "sample", "evaluate"):  # other commands may have such a name, for another thing
        assert not options_of(command_of(["gan", name])) & set(elsewhere.OPTIONS)


def test_answers_name_commands_with_their_own_options():
    """A whole command line in an answer is one that its command understands."""
    answers = [answer for table in TABLES[:2] for answer, _ in table.values()]
    lines = [line for answer in answers for line in re.findall(r"\bgan [a-z][^;]*", answer)]
    assert len(lines) > 25
    for line in lines:
        words = shlex.split(line.partition(", ")[0])
        command = command_of(words)
        assert command is not None and command is not main, line
        assert typed_in(line.partition(", ")[0]) <= options_of(command), line


def test_answers_name_metrics_conventions_and_presets_that_exist():
    for answer, _ in elsewhere.SCORES.values():
        for name in re.match(r"[\w,-]+", answer)[0].rstrip(",").split(","):
            assert name in METRICS
        for statistic, convention in re.findall(r"([\w-]+)\[(nv|pf|clean|tfid|ttur|stu)\]", answer):
            assert statistic in CONVENTIONS[convention].scores
    scripts = " ".join(answer for answer, _ in elsewhere.SCRIPTS.values())
    assert set(re.findall(r"--convention (\w+)", scripts)) <= set(CONVENTIONS)
    assert {answer for answer, _ in elsewhere.PRESETS.values()} <= set(preset_names())
    assert not set(elsewhere.SCORES) & set(METRICS)
    assert not set(elsewhere.PRESETS) & set(preset_names())
    assert not set(elsewhere.SCRIPTS) & set(COMMANDS)


def test_every_name_has_its_tools():
    used = {tool for table in TABLES for _, tools in table.values() for tool in tools.split()}
    assert used == set(elsewhere.TOOLS)
    assert all(tools for table in TABLES for _, tools in table.values())
    for table in (elsewhere.SCRIPTS, elsewhere.SCORES, elsewhere.PRESETS):
        assert all(name == name.lower() for name in table)  # as they are looked up


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (
            ["train", "--gamma", "2"],
            "--gamma is an option of another tool: here it is --set loss.r1_gamma=VALUE",
        ),
        (["train", "--batch_gpu=4"], "here it is --micro-batch N"),
        (["sample", "x", "--trunc=0.7"], "here it is --psi VALUE"),
        (["data", "prepare", "x", "--dest=a.zip"], "here it is --out X.zip"),
        (["train", "-cfg", "x.yaml"], "-cfg is an option of another tool: here it is --preset FILE.yaml"),
        (["train", "-DDP"], "here it is torchrun"),
        (["train", "--data=DATA", "--preset=paper512"], "'paper512' is a recipe of another tool: here it is"),
        (
            ["gen_images.py", "--seeds=1"],
            "'gen_images.py' is a command of another tool: here it is gan sample",
        ),
        (["style-mixing"], "here it is gan sample MODEL --mix"),
        (
            ["evaluate", "--model=x", "--data=x", "--metrics=fid50k_full"],
            "'fid50k_full' is a name of another tool: here it is fid[nv]",
        ),
    ],
)
def test_typed(typed, message, tiny_zip):
    result = CliRunner().invoke(main, [word.replace("DATA", str(tiny_zip)) for word in typed])
    assert result.exit_code == 2 and message in result.stderr and result.stderr.count("\n") == 1


def test_unknown_ones_stay_unknown():
    for typed in (["train", "--gama"], ["train", "-x"], ["trian"]):
        result = CliRunner().invoke(main, typed)
        assert result.exit_code == 2 and "another tool" not in result.stderr
