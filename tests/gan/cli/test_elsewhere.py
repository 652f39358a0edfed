"""Names that other tools have: each answer names what exists here."""

import re

import click
import pytest
from click.testing import CliRunner

from gan.cli.elsewhere import OPTIONS
from gan.cli.main import COMMANDS, main
from gan.config import override
from metrics.catalogue import METRICS
from metrics.conventions import CONVENTIONS
from metrics.elsewhere import NAMES
from training.config import RunConfig


def options_of(name):
    command = main.get_command(click.Context(main), name)
    return {option for parameter in command.params for option in parameter.opts}


def test_answers_name_options_and_settings_that_exist():
    known = {option for name in COMMANDS for option in options_of(name)}
    data = main.get_command(click.Context(main), "data").commands.values()
    known |= {option for command in data for parameter in command.params for option in parameter.opts}
    examples = {"N": "8", "VALUE": "0.5", "true": "true", "ada": "ada", "bgc": "bgc"}
    for answer in OPTIONS.values():
        assert set(re.findall(r"(?<![\w-])--[a-z][\w-]*", answer)) <= known | {
            "--nproc-per-node",
            "--no-python",
        }
        for key, value in re.findall(r"([\w.]+)=(\w+)", answer):
            override(RunConfig(), [f"{key}={examples[value]}"])
    for name in OPTIONS:
        assert name not in known or name in ("--workers", "--steps")  # of gan data, and of gan project


def test_answers_name_metrics_and_conventions_that_exist():
    for answer in NAMES.values():
        for name in re.match(r"[\w,-]+", answer)[0].rstrip(",").split(","):
            assert name in METRICS
        for convention in re.findall(r"--convention ([\w-]+)", answer):
            assert convention in CONVENTIONS
    assert not set(NAMES) & set(METRICS)


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
        (
            ["evaluate", "--model=x", "--data=x", "--metrics=fid50k_full"],
            "'fid50k_full' is a name of another tool",
        ),
    ],
)
def test_typed(typed, message):
    result = CliRunner().invoke(main, typed)
    assert result.exit_code == 2 and message in result.stderr and result.stderr.count("\n") == 1
