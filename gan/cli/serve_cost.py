"""`gan serve cost`: how fast a server of this machine is, and what its images cost."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gan.cli.common import Finite, debug_option, echo_json, plugin_option

if TYPE_CHECKING:
    from gan.jobs.serving.costs import Pace


@click.command("cost", epilog="Example: gan serve cost runs/00000-demo-openmoji-32 --price-per-hour 0.40")
@click.argument("model")
@click.option("--price-per-hour", type=Finite(min=0), help="Of this machine, in any currency.")
@click.option(
    "--price", "named", multiple=True, metavar="NAME=PRICE", help="Of a machine by name; repeatable."
)
@click.option(
    "--batch",
    "batches",
    type=click.IntRange(1, 256),
    multiple=True,
    default=(1, 8),
    show_default=True,
    help="Images of a request; repeatable.",
)
@click.option(
    "--images",
    type=click.IntRange(1, 10**6),
    default=64,
    show_default=True,
    help="Measured, by --batch.",
)
@click.option(
    "--utilisation",
    type=Finite(min=0, max=1, min_open=True),
    default=0.5,
    show_default=True,
    help="Part of the time that a machine makes images; you pay for all of it.",
)
@click.option("--config", type=click.Path(path_type=Path), help="Settings of the server, as for gan serve.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@plugin_option
@debug_option
def command(
    model: str,
    price_per_hour: float | None,
    named: tuple[str, ...],
    batches: tuple[int, ...],
    images: int,
    utilisation: float,
    config: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure the images a second of MODEL with filters and marks, and price 1,000 of them.

    The server's own queue and filters work, without HTTP; nothing is left in its state folder. Prices hold
    for machines as fast as this one: run it on each kind of machine that you think of.
    """
    from gan.jobs.serving import costs
    from gan.jobs.serving.settings import settings

    prices = costs.prices_of(named)
    if price_per_hour is not None:
        prices = {"this machine": price_per_hour, **prices}
    pace = costs.measure(settings(config, assignments, {"models": (model,)}), images, batches)
    if as_json:
        echo_json(costs.told(pace, prices, utilisation))
        return
    _show(pace, prices, utilisation)


def _show(pace: "Pace", prices: dict[str, float], utilisation: float) -> None:
    """The pace, what it is made of, what it assumes, and a line a machine."""
    from gan.jobs.serving.costs import CLIENTS, images_a_day, price_of_thousand

    shown = f"{pace.width} x {pace.height} px, {pace.size:,.0f} bytes a PNG" if pace.width else "none left"
    click.echo(f"{pace.model}: {shown}; {pace.device}, {pace.threads} threads")
    for rate in pace.rates:
        measured = f"{rate.images} images in {rate.seconds:.2f} s"
        click.echo(f"  {rate.batch} a request: {rate.per_second:.4g} images/s ({measured})")
    parts = ", ".join(f"{part} {share:.0%}" for part, share in pace.shares.items() if share >= 0.005)
    click.echo(f"work: {parts}")
    signed = "signed by C2PA" if pace.c2pa else "not signed"
    filters = ", ".join(pace.filters) or "none"
    marks = f"watermarked {pace.marked}, held back {pace.blocked} of {pace.images}"
    click.echo(f"filters: {filters}; {marks}; {signed}")
    click.echo(f"measured: {CLIENTS} clients that ask as soon as they are answered, without HTTP and TLS")
    if not prices:
        return
    click.echo(
        f"assumed: machines as fast as this one, which make images {utilisation:.0%} of the time that is paid"
    )
    for name, price in prices.items():
        costs = ", ".join(
            f"{price_of_thousand(price, rate.per_second, utilisation):.4g} at {rate.batch} a request"
            for rate in pace.rates
        )
        most = images_a_day(max(rate.per_second for rate in pace.rates), utilisation)
        click.echo(f"{name}: {price:g} an hour; 1,000 images: {costs}; {most:,.0f} images a day at most")
