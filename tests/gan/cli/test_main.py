"""The command `gan`: help without torch, one line per error, exit codes, no traceback unless asked for."""

import errno
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import gan
from gan.cli import common
from gan.cli.main import COMMANDS, Entry, main
from gan.console import progress
from gan.errors import UsageError, UserError


class OutOfMemoryError(RuntimeError):
    """Stands for torch.OutOfMemoryError, which is told by its name."""


def fail(error):
    """A command that raises `error`."""

    @click.command()
    @common.debug_option
    def command():
        raise error

    return command


@pytest.fixture
def call(monkeypatch):
    """call(command, *arguments): the result of `gan toy ...`, with `command` as the module gan.cli.toy."""

    def run(command, *arguments):
        module = types.ModuleType("gan.cli.toy")
        module.command = command
        monkeypatch.setitem(sys.modules, "gan.cli.toy", module)
        monkeypatch.setitem(COMMANDS, "toy", Entry("gan.cli.toy", "Play."))
        return CliRunner().invoke(main, ["toy", *arguments])

    return run


def python(*arguments):
    """A fresh interpreter: (exit code, stdout, stderr)."""
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_help_lists_every_command_without_importing_torch():
    script = (
        "import sys, gan.cli.main as m\n"
        "try: m.main(['--help'])\n"
        "finally: print('torch' in sys.modules, [n for n in sys.modules if n in SUB], file=sys.stderr)\n"
    ).replace("SUB", repr([entry.module for entry in COMMANDS.values()]))
    code, out, err = python("-c", script)
    assert (code, err.strip()) == (0, "False []")
    for name, entry in COMMANDS.items():
        assert f"  {name} " in out
        assert entry.help in out


def test_commands_of_this_release():
    assert list(COMMANDS) == [
        "data",
        "train",
        "tune",
        "sample",
        "directions",
        "project",
        "explore",
        "evaluate",
        "compare",
        "rate",
        "stats",
        "report",
        "convert",
        "export",
        "push",
        "space",
        "serve",
        "mark",
        "verify",
        "demo",
        "ops",
        "doctor",
    ]


def test_module_entry_point_and_version():
    assert python("-m", "gan", "--version") == (0, f"gan {gan.__version__}\n", "")


def test_import_gan_is_cheap_and_still_offers_latents():
    assert python("-c", "import sys, gan; print('torch' in sys.modules)") == (0, "False\n", "")
    assert gan.__getattr__("latents").z_from_seeds([0], 4).shape == (1, 4)
    with pytest.raises(AttributeError, match="no attribute 'latent'"):
        gan.latent  # noqa: B018


def test_folders_of_the_same_names_in_the_working_directory_hide_nothing(tmp_path):
    for name in ("training", "metrics", "ops"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong package')\n")
    for command in ([sys.executable, "-m", "gan"], [Path(sys.executable).with_name("gan")]):
        # a command that imports `training`, and no PyTorch
        line = [*command, "data", "review", "none"]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 1 and "gan: error: there is nothing at none" in done.stderr, done.stderr


def test_sigterm_removes_what_is_half_written(tmp_path):
    script = (
        "import sys, types, time, click\n"
        "from gan.cli import main as m\n"
        "from gan.files import atomic_write\n"
        "@click.command()\n"
        "def command():\n"
        "    with atomic_write('set.zip') as path:\n"
        "        path.write_bytes(b'half'), print('writing', flush=True), time.sleep(60)\n"
        "sys.modules['gan.cli.toy'] = types.SimpleNamespace(command=command)\n"
        "m.COMMANDS['toy'] = m.Entry('gan.cli.toy', '')\n"
        "m.main(['toy'])\n"
    )
    path = os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"writing\n"
        assert [p.name for p in tmp_path.iterdir()] == [f".tmp-set-{process.pid}.zip"]
        process.terminate()
        assert process.wait(timeout=60) == 143
    assert list(tmp_path.iterdir()) == []


def test_misspelt_command_suggests_the_nearest():
    result = CliRunner().invoke(main, ["trian"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(
        "gan: error: unknown command 'trian'; did you mean 'train'? known: compare, convert, data, demo"
    )


@pytest.mark.parametrize("arguments", [["--bogus"], ["toy", "--bogus"], ["toy", "more"]])
def test_wrong_usage_is_exit_2_and_one_line_that_names_the_help(call, arguments):
    call(fail(None))  # registers the command
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    assert line.startswith("gan: error: ")
    assert line.endswith("; see gan toy --help" if "toy" in arguments else "; see gan --help")


@pytest.mark.parametrize("value", ["nan", "inf", "0", "x"])
def test_a_number_is_finite_and_in_its_range(call, value):
    @click.command()
    @click.option("--minutes", type=common.Finite(min=0, min_open=True))
    def command(minutes):
        raise AssertionError(minutes)

    result = call(command, "--minutes", value)
    assert result.exit_code == 2
    assert result.stderr.startswith("gan: error: Invalid value for '--minutes': ")


@pytest.mark.parametrize(("finite", "shown"), [(common.Finite(), False), (common.Finite(min=0), True)])
def test_help_shows_the_range_of_a_number_that_has_one(call, finite, shown):
    command = click.Command("turn", params=[click.Option(["--angle"], type=finite, help="Degrees.")])
    result = call(command, "--help")
    assert "None" not in result.output
    assert ("x>=0" in result.output) is shown


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("no model at x"), 1, "gan: error: no model at x"),
        (UsageError("unknown key 'x'"), 2, "gan: error: unknown key 'x'"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.zip"), 1, "gan: error: a.zip: No such file"),
        (OSError(errno.ENOSPC, "No space left"), 1, "gan: error: No space left"),
        (MemoryError(), 1, "gan: error: out of memory; use a smaller batch"),
        (OutOfMemoryError("CUDA"), 1, "gan: error: out of memory; use a smaller batch"),
        (RuntimeError("x: can't allocate memory: y"), 1, "gan: error: out of memory; use a smaller batch"),
        (
            KeyError("a\nb"),
            1,
            r"gan: internal error: KeyError: 'a\nb'; run again with --debug and report it",
        ),
        (
            RuntimeError("two\nlines"),
            1,
            "gan: internal error: RuntimeError: two lines; run again with --debug and report it",
        ),
        (KeyboardInterrupt(), 130, "gan: interrupted"),
        (click.Abort(), 130, "gan: interrupted"),
    ],
    ids=repr,
)
def test_an_error_is_one_line_and_a_code(call, error, code, line):
    result = call(fail(error))
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.strip().startswith(line)
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("error", [UserError("no model"), ValueError("bug")], ids=repr)
def test_debug_shows_the_traceback(call, error):
    result = call(fail(error), "--debug")
    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("gan: ")


def test_success_and_the_code_of_ctx_exit(call):
    @click.command()
    @click.argument("code", type=int)
    @click.pass_context
    def command(ctx, code):
        ctx.exit(code)

    assert call(command, "0").exit_code == 0
    assert call(command, "3").exit_code == 3


def test_what_a_terminal_cannot_show_ends_no_work(tmp_path):
    (tmp_path / "toy.py").write_text(
        "import click\n@click.command()\ndef command():\n    click.echo('kept in \\u6f22')\n"
    )
    script = (
        f"import sys; sys.path.append({str(tmp_path)!r})\n"
        "from gan.cli.main import COMMANDS, Entry, main\n"
        "COMMANDS['toy'] = Entry('toy', 'Play.')\n"
        "main(['toy'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        check=False,
    )
    assert (done.returncode, done.stdout.split()[-1], done.stderr) == (0, rb"\u6f22", b"")


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
@pytest.mark.parametrize("lines", [1, 100_000], ids=["at exit", "while printing"])
def test_a_closed_pipe_is_quiet(tmp_path, lines):
    (tmp_path / "toy.py").write_text(
        f"import click\n@click.command()\ndef command():\n    print('x\\n' * {lines}, end='')\n"
    )
    script = (
        f"import sys; sys.path.append({str(tmp_path)!r})\n"
        "from gan.cli.main import COMMANDS, Entry, main\n"
        "COMMANDS['toy'] = Entry('toy', 'Play.')\n"
        "main(['toy'])\n"
    )
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE, timeout=120, check=False
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_common_options_json_and_silent_progress(call):
    @click.command()
    @common.seed_option
    @common.debug_option
    def command(seed):
        with progress(3, "counting") as bar:
            bar.update(3)
        common.echo_json({"seed": seed, "sum": sum(progress([1, 2], "adding")), "word": "Größe"})

    result = call(command, "--seed", "7")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"seed": 7, "sum": 3, "word": "Größe"}
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""  # not a terminal
    assert "[default: 0" in call(command, "--help").stdout
    assert call(command, "--seed", "-1").exit_code == 2


def test_progress_shows_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert list(progress([1, 2], "reading")) == [1, 2]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "reading: 100%" in captured.err
