"""Run the benchmark, or what of it is missing, and print its tables: python -m benchmarks.collapse --help"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does, before torch starts

from pathlib import Path

import click
import torch

from benchmarks.collapse import classifier, digits, report
from benchmarks.collapse.pool import train_missing
from benchmarks.collapse.runs import configured, jobs, result_of
from gan.cli.common import device_option
from gan.devices import pick
from gan.errors import UserError


@click.command(epilog="Example: python -m benchmarks.collapse --only grid --only digits/r1:0")
@click.option(
    "--only",
    multiple=True,
    metavar="TASK[/GUARD[:SEED]]",
    help="Only these runs, such as grid, digits/r1 or digits/none:0; repeatable.  [default: all]",
)
@click.option("--out", default="runs/collapse", show_default=True, help="Folder of the runs.")
@click.option("--jobs", "workers", default=1, show_default=True, help="Runs at once, each a process.")
@click.option("--threads", default=1, show_default=True, help="Threads of PyTorch in each run.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Another setting for all of these runs."
)
@click.option("--table", is_flag=True, help="Train nothing: print the tables of the finished runs.")
@click.option("--pictures", metavar="FOLDER", help="Also write the pictures of docs/COLLAPSE.md there.")
@device_option
def main(
    only: tuple[str, ...],
    out: str,
    workers: int,
    threads: int,
    assignments: tuple[str, ...],
    table: bool,
    pictures: str | None,
    device: str,
) -> None:
    """Train the same small GAN with and without guards; finished runs are kept, stopped ones go on."""
    folder, place = Path(out), pick(device)
    chosen = [job for job in jobs() if not only or any(str(job).startswith(name) for name in only)]
    if not chosen:
        raise click.UsageError(f"--only names no run; runs are {', '.join(map(str, jobs()))}")
    torch.set_num_threads(threads)
    try:
        if any(job.task != "grid" for job in chosen):
            found = digits.load_digits(folder / "digits.npz")
            click.echo(report.quality(classifier.prepared(folder, *found)[1]))
        if not table:
            train_missing(chosen, folder, assignments, str(place), workers, threads)
        results = [found for job in chosen if (found := result_of(job, folder, configured(job, assignments)))]
        click.echo(report.tables(results))
        if pictures:
            for path in report.pictures(folder, Path(pictures)):
                click.echo(f"wrote {path}")
    except UserError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
