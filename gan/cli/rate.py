"""`gan rate`: people judge pictures of models, checkpoints and folders, on a page in the browser."""

from functools import partial
from pathlib import Path

import click

from gan.cli.common import debug_option, device_option, echo_json, seed_option
from gan.errors import UsageError

EPILOG = """\b
Examples:
  gan rate runs/00000-demo-x runs/00001-demo-x --kind pairs --out study
  gan rate runs/00000-demo-x --real photos --kind real-or-fake --time-limit 500 --raters 5 --out study
  gan rate study            (goes on)
  gan rate study --report
"""


@click.command("rate", epilog=EPILOG)
@click.argument(
    "sources", metavar="SOURCE...|STUDY", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--kind",
    default="",
    metavar="KIND",
    help="pairs (which is better), real-or-fake, quality (1 to 5) or flags (what is wrong).",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the new study.")
@click.option("--real", type=click.Path(path_type=Path), help="Folder or zip of real pictures.")
@click.option(
    "--raters", type=int, default=1, show_default=True, help="People, each with a link of their own."
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    help="Trials of each rater.  [default: 100, or as many as there are pictures for; flags: all pictures]",
)
@click.option(
    "--catch",
    type=click.IntRange(min=0),
    help="Trials more with a spoiled picture, to tell who does not look.  [default: one in ten]",
)
@click.option(
    "--time-limit", type=int, metavar="MS", help="Milliseconds that a real-or-fake picture is shown."
)
@click.option("--report", "is_report", is_flag=True, help="Write and print the results of a study instead.")
@click.option("--cards", is_flag=True, help="With --report: also write the scores into the models' card.md.")
@click.option("--json", "as_json", is_flag=True, help="With --report: print the results as JSON.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port.  [default: a free one]")
@click.option("--token", help="Secret in the address; needed with another --host.  [default: random]")
@device_option
@seed_option
@debug_option
def command(
    sources: tuple[Path, ...],
    kind: str,
    out: Path | None,
    real: Path | None,
    raters: int,
    trials: int | None,
    catch: int | None,
    time_limit: int | None,
    is_report: bool,
    cards: bool,
    as_json: bool,
    host: str,
    port: int,
    token: str | None,
    device: str,
    seed: int,
) -> None:
    """Let people judge pictures of each SOURCE: a run or checkpoint, a folder or a zip of images.

    Prints a link for each rater; every answer is saved at once; Ctrl-C ends it, and `gan rate STUDY` goes on.
    Models draw seeds 0, 1, ... The page does not tell what a picture is of.
    """
    if is_report:
        _report(sources, cards, seed, as_json)
        return
    if cards or as_json:
        raise UsageError("--cards and --json belong to --report: add it, or leave them out")
    from gan.jobs.rating import Asked
    from gan.web.rate.pages import rate

    options = {"out": out, "kind": kind, "real": real, "raters": raters, "trials": trials, "catch": catch}
    options |= {"time_limit": time_limit, "seed": seed, "device": device}
    asked, tell = Asked(places=sources, **options), partial(click.echo, err=True)
    study, count = rate(asked, host=host, port=port, token=token, say=click.echo, told=tell)
    tell(f"{count} answers in {study.path}; gan rate {study.path} --report tells what they say")


def _report(places: tuple[Path, ...], cards: bool, seed: int, as_json: bool) -> None:
    from gan.jobs import rating_report

    if len(places) != 1:
        raise UsageError("--report takes one study: name its folder alone")
    found = rating_report.report(places[0], cards=cards, seed=seed)
    if as_json:
        echo_json(found)
        return
    for line in rating_report.lines(found):
        click.echo(line)
    for path in (*found["files"], *found.get("cards", [])):
        click.echo(f"wrote {path}", err=True)
