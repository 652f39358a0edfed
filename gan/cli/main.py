"""Entry point of the command `gan`: the table of subcommands and the one place that reports errors."""

import contextlib
import importlib
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

import click

import gan
from gan import elsewhere
from gan.cli.common import debug_option
from gan.errors import UserError, unknown
from gan.registry import table


@dataclass(frozen=True)
class Entry:
    """Where a subcommand lives (a module with `command`) and its line in `gan --help`."""

    module: str
    help: str


COMMANDS = table(
    "command",
    data=Entry("gan.cli.data", "Make and inspect data sets."),
    train=Entry("gan.cli.train", "Train a model on a data set."),
    tune=Entry("gan.cli.tune", "Find gamma and learning rates by short trainings."),
    sample=Entry("gan.cli.sample", "Draw images from a model."),
    directions=Entry("gan.cli.directions", "Find directions in a model's latent space."),
    project=Entry("gan.cli.project", "Find the latents of pictures, or tune a model to them."),
    explore=Entry("gan.cli.explore", "Look around in a model's latent space, in the browser."),
    evaluate=Entry("gan.cli.evaluate", "Score a model or a folder of images against a data set."),
    compare=Entry("gan.cli.compare", "Say which of two models is better, and how surely."),
    rate=Entry("gan.cli.rate", "Let people judge models and pictures, on a page in the browser."),
    stats=Entry("gan.cli.stats", "Write the statistics of a data set, to score against."),
    report=Entry("gan.cli.report", "Write one HTML page about a training run."),
    convert=Entry("gan.cli.convert", "Import a published snapshot, without executing it."),
    export=Entry("gan.cli.export", "Write a model as ONNX or as a torch.export program."),
    push=Entry("gan.cli.push", "Push a model to a hub, with its card."),
    space=Entry("gan.cli.space", "Write a page for a hub that draws from a model."),
    serve=Entry("gan.cli.serve", "Serve models over HTTP, to clients that have a key."),
    mark=Entry("gan.cli.mark", "Mark pictures as AI-generated: metadata, watermark, signature."),
    verify=Entry("gan.cli.verify", "Say whether pictures are ours, and how sure that is."),
    demo=Entry("gan.cli.demo", "Train, score and sample a small model from nothing, in minutes."),
    ops=Entry("gan.cli.ops", "Build and inspect the fused kernels."),
    doctor=Entry("gan.cli.doctor", "Say what this machine has for training, and what is missing."),
)


class CommandLine(click.Group):
    """Group over COMMANDS that imports a subcommand only when called, so that help never loads torch."""

    def main(self, args: Sequence[str] | None = None, prog_name: str = "gan") -> NoReturn:
        """Run one command line (default: this process's) and exit.

        0 success, 1 failed work, 2 wrong usage, 130 interrupted, 143 terminated (SIGTERM). An error is one
        line on stderr, with --debug a traceback before it.
        """
        with _tidy_end():
            sys.exit(self._run(sys.argv[1:] if args is None else list(args), prog_name))

    def _run(self, args: list[str], prog_name: str) -> int:
        if isinstance(sys.stdout, io.TextIOWrapper):  # a name that the terminal cannot show ends no work
            sys.stdout.reconfigure(errors="backslashreplace")
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch: large tensors in huge pages, on Linux
        try:
            result = super().main(args, prog_name, standalone_mode=False)
            sys.stdout.flush()  # here, where a closed pipe or a full disk can still be reported
            return result if isinstance(result, int) else 0  # an int is the code of ctx.exit
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush at exit
            return 1
        except (click.Abort, KeyboardInterrupt):
            click.echo("gan: interrupted", err=True)
            return 130
        except Exception as error:
            if "--debug" in args:
                traceback.print_exc()
            if isinstance(error, click.exceptions.NoArgsIsHelpError):
                error.show()
                return error.exit_code
            message, code = describe(error, args)
            click.echo(f"gan: {message}", err=True)
            return code

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table, which is the order of work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The imported subcommand; None for an unknown name, as click expects."""
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(COMMANDS[cmd_name].module).command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name for a misspelt command."""
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            if instead := elsewhere.script(args[0]):
                ctx.fail(f"'{args[0]}' is a command of another tool: here it is {instead}")
            ctx.fail(unknown("command", args[0], COMMANDS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the table without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.command(
    "gan",
    cls=CommandLine,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: gan demo. Each command explains itself: gan train --help",
)
@click.version_option(gan.__version__, prog_name="gan", message="%(prog)s %(version)s")
@debug_option
def main() -> None:
    """StyleGAN in PyTorch: from a folder of images to a trained model, on a CPU as on GPUs."""


@contextlib.contextmanager
def _tidy_end() -> Iterator[None]:
    """SIGTERM ends the command as an error does, so that no temporary file stays.

    Not under torchrun: a process that waits for the others must not wait for them once more while it ends.
    """
    shared = int(os.environ.get("WORLD_SIZE") or 1) > 1
    if shared or threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _terminate(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def describe(error: Exception, args: Sequence[str] = ()) -> tuple[str, int]:
    """Line and exit code for an error that reached the top.  args: what was typed."""
    if isinstance(error, click.NoSuchOption) and (answer := _of_another_tool(error.option_name, args)):
        return f"error: {answer}", error.exit_code
    if isinstance(error, click.ClickException):
        text = error.format_message().rstrip(".")
        context = getattr(error, "ctx", None)
        return f"error: {text}" + (f"; see {context.command_path} --help" if context else ""), error.exit_code
    if isinstance(error, UserError):
        return f"error: {error}", error.exit_code
    if any(kind.__name__ == "KernelError" for kind in type(error).__mro__):  # of ops, by name: it loads torch
        return f"error: {error}", error.exit_code
    if _out_of_memory(error):
        return "error: out of memory; use a smaller batch, a smaller model or a lower resolution", 1
    if _peer_lost(error):
        return "error: another process of this job has ended; what it said before is the reason", 1
    if isinstance(error, OSError) and error.strerror:
        return f"error: {f'{error.filename}: ' if error.filename else ''}{error.strerror}", 1
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"internal error: {text}; run again with --debug and report it", 1


def _of_another_tool(option: str, args: Sequence[str]) -> str:
    """What an unknown option is here; "" where no tool is known to have it.

    click names the first letter alone of long options with one hyphen, as StudioGAN has them.
    """
    for typed in (option, *(arg for arg in args if arg.startswith(option) and not option.startswith("--"))):
        if instead := elsewhere.option(typed):
            return f"{typed} is an option of another tool: here it is {instead}"
    return ""


def _out_of_memory(error: Exception) -> bool:
    """MemoryError, or what torch raises for a GPU or the CPU; told by name, so that torch stays unloaded."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )


def _peer_lost(error: Exception) -> bool:
    """Whether gloo raised it because a process of the job is gone."""
    text = str(error)
    return isinstance(error, RuntimeError) and "gloo" in text and ("by peer" in text or "connecting" in text)
