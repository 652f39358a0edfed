"""Every `gan` command and every setting in deploy/ is one that the command line and the server know."""

import re
import shlex

import click
import pytest
import yaml
from click.testing import CliRunner

from gan.cli.main import COMMANDS, main
from gan.jobs.serving.settings import settings
from tests.deploy.deployed import DEPLOY, SETTINGS, STATE, compose, manifests, settings_files

ENTRY = ["serve"]  # what ENTRYPOINT begins with
# `gan ...` as it is typed in texts: by its path, in a pod, or as the service of compose.
TYPED = re.compile(r"(?:^|\s)(?:/opt/gan/bin/gan|-- gan|(docker compose run --rm gan)) ([a-z][^\n`#]*)")


def typed():
    """(file, words behind `gan`) of all commands."""
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    entry, usual = (re.search(rf'^{name} \["(.*)"\]$', dockerfile, re.M)[1] for name in ("ENTRYPOINT", "CMD"))
    assert entry.split('", "') == ["gan", *ENTRY]
    yield "Dockerfile", ENTRY + usual.split('", "')
    yield "compose.yaml", ENTRY + compose()["services"]["gan"]["command"]
    (container,) = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"]
    yield "deployment.yaml", ENTRY + container["args"]
    for file in ("README.md", "compose.yaml", "gan-serve.service"):
        for composed, words in TYPED.findall(
            (DEPLOY / file).read_text().replace("ExecStart=", "ExecStart= ")
        ):
            yield file, (ENTRY if composed else []) + shlex.split(words)


def leaves(command):
    """The commands below it that do something."""
    if not isinstance(command, click.Group):
        return [command]
    return [leaf for each in command.commands.values() for leaf in leaves(each)]


@pytest.fixture
def parsed(monkeypatch):
    """parsed(words): the options of a command that is not run; the test fails where it is none."""
    heard = []
    for leaf in leaves(main.get_command(click.Context(main), "serve")):
        monkeypatch.setattr(leaf, "callback", lambda **options: heard.append(options))

    def parse(words):
        answer = CliRunner().invoke(main, words)
        assert answer.exit_code == 0, f"gan {' '.join(words)}: {answer.stderr}"
        return heard.pop()

    return parse


@pytest.mark.parametrize(("file", "words"), list(typed()), ids=lambda each: "-".join(each)[:60])
def test_every_command_parses(parsed, file, words):
    assert words[0] in COMMANDS and parsed(words)


def test_wrong_ones_would_be_seen(parsed):
    assert len(list(typed())) == 9
    with pytest.raises(AssertionError, match="--stat"):
        parsed(["serve", "keys", "create", "me", "--stat", "a"])


def test_keys_are_made_where_the_server_looks(parsed):
    """And the container's server reads the settings that are mounted."""
    for file, words in typed():
        options = parsed(words)
        if options.get("config") is not None:
            assert str(options["config"]) == SETTINGS
        elif file == "gan-serve.service":
            assert options["state"] == "/var/lib/gan-serve/serve"
        else:
            assert {yaml.safe_load(text)["state"] for text in settings_files().values()} == {options["state"]}
            assert options["state"].startswith(f"{STATE}/")


@pytest.mark.parametrize("file", settings_files())
def test_settings_are_known(tmp_path, file):
    written = tmp_path / "serve.yaml"
    written.write_text(settings_files()[file])
    found = settings(written)
    assert (found.models, found.host, found.port) == (("/models/model",), "0.0.0.0", 8000)
