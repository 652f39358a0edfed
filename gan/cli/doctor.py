"""`gan doctor`: what this machine has for training, what is missing, and what to type."""

import click

from gan.cli.common import debug_option, echo_json


@click.command("doctor", epilog="Example: gan doctor --json")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@debug_option
def command(as_json: bool) -> None:
    """Look at Python, PyTorch, GPUs, compilers, fused kernels, optional packages and the cache.

    Exits with 0 if training can start, else with 1. Builds and downloads nothing.
    """
    from gan.jobs.doctor import checks

    found = list(checks())
    ready = all(check.state != "problem" for check in found)
    if as_json:
        echo_json({"ready": ready, "checks": [check._asdict() for check in found]})
    else:
        for check in found:
            click.echo(f"{check.state:<8} {check.name:<15} {check.text}")
            if check.remedy:
                click.echo(f"{'':<24} -> {check.remedy}")
        click.echo(
            "Training can start." if ready else "Training cannot start before the problems are solved."
        )
    if not ready:
        click.get_current_context().exit(1)
