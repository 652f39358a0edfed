"""Several runs at once, each in a process. (What processes are sent cannot lie in a package's `__main__`.)"""

import concurrent.futures
import multiprocessing
from pathlib import Path

import click
import torch

from benchmarks.collapse import report
from benchmarks.collapse.runs import Job, configured, execute, result_of


def train_missing(
    chosen: list[Job], out: Path, assignments: tuple[str, ...], device: str, workers: int, threads: int
) -> None:
    """Train every chosen run that has no result, `workers` at once; a failure is raised at the end."""
    missing = [job for job in chosen if not result_of(job, out, configured(job, assignments))]
    if workers == 1:
        for job in missing:
            train_one(job, out, assignments, device, threads)
        return
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = [pool.submit(train_one, job, out, assignments, device, threads) for job in missing]
    for future in futures:
        future.result()


def train_one(job: Job, out: Path, assignments: tuple[str, ...], device: str, threads: int) -> None:
    """Train and score one run; says how it ended in one line."""
    torch.set_num_threads(threads)
    result = execute(job, configured(job, assignments), out, torch.device(device))
    click.echo(f"{job}: {report.short(result)}", err=True)
