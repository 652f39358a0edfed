"""Run what a GPU can prove, most valuable first, as far as the slice of time goes; what is done stays done.

python -m benchmarks.gpu --minutes 9
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.gpu.steps import Step, steps
from gan.files import atomic_bytes, read_json


def about() -> dict[str, Any]:
    """On what it ran."""
    import torch

    git = shutil.which("git")
    commit = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True) if git else None
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"commit": commit.stdout.strip() if commit else None, "torch": torch.__version__, "gpu": gpu}


def executed(step: Step, tiny: bool, seconds: float) -> dict[str, Any]:
    """The record of a step: its command, exit code, time, and the last of what it printed."""
    command, begun = step.arguments(tiny), time.monotonic()
    environment = {**os.environ, "GAN_OPS": "auto"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, env=environment, check=False
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as error:
        code, out, err = None, *((t or b"").decode(errors="replace") for t in (error.stdout, error.stderr))
    record = {"name": step.name, "command": " ".join(["python", *command[1:]]), "code": code}
    record |= {"seconds": round(time.monotonic() - begun, 1), "stderr": err[-2000:]}
    try:
        return {**record, "result": json.loads(out)}
    except ValueError:
        return {**record, "output": out[-4000:]}


def table(records: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Markdown: a row per step that has figures, then one per other step with how it ended."""
    yield "| Step | sec/kimg | GiB | GPU busy | micro-batch | |"
    yield "|---|---|---|---|---|---|"
    for record in records:
        found = record.get("result")
        if isinstance(found, dict) and "sec_per_kimg" in found:
            share = "" if found["busy"] is None else f"{found['busy']:.0%}"
            cells = (found["sec_per_kimg"], found["memory_gib"], share, found["micro_batch"] or "whole")
        else:
            cells = ("", "", "", "")
        ended = {0: "done", None: "out of time"}.get(record["code"], f"failed ({record['code']})")
        last = (record.get("output") or "").strip().splitlines()[-1:]
        yield f"| {record['name']} | {' | '.join(map(str, cells))} | {ended} {' '.join(last)[:100]} |"


@click.command(epilog="Example: python -m benchmarks.gpu --minutes 9 --out runs/gpu")
@click.option("--minutes", default=9.0, show_default=True, help="Length of this slice.")
@click.option(
    "--out", default="runs/gpu", show_default=True, type=click.Path(path_type=Path), help="JSON files."
)
@click.option("--tiny", is_flag=True, help="Tiny sizes on the CPU: whether everything runs.")
@click.option("--only", default="", help="Only steps whose name contains this.")
@click.option("--list", "listed", is_flag=True, help="Print the steps and stop.")
def main(minutes: float, out: Path, tiny: bool, only: str, listed: bool) -> None:
    """Type it again to go on: a step with a file in --out is not repeated, one that ran out of time is."""
    chosen, end = [step for step in steps() if only in step.name], time.monotonic() + minutes * 60
    if listed:
        click.echo("\n".join(f"{s.name:<28} {' '.join(s.command)}" for s in chosen))
        return
    where = about()
    for step in chosen:
        path = out / f"{step.name}.json"
        if path.is_file() and read_json(path, dict)["code"] is not None:
            continue
        left = end - time.monotonic()
        if left < min(step.minutes * 60, 60):
            break
        click.echo(f"{step.name}: {left / 60:.1f} minutes are left", err=True)
        record = {**executed(step, tiny, left), **where}
        atomic_bytes(path, json.dumps(record, indent=2).encode())
    records = [read_json(out / f"{s.name}.json", dict) for s in chosen if (out / f"{s.name}.json").is_file()]
    click.echo("\n".join(table(records)))
    missing = len(chosen) - len(records)
    click.echo(f"{len(records)} of {len(chosen)} steps" + ("; type it again" if missing else ""), err=True)
    if any(record["code"] not in (0, None) for record in records):
        sys.exit(1)


if __name__ == "__main__":
    main()
