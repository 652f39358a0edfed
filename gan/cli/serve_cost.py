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
    "--batch", type=click.IntRange(1, 256), default=8, show_default=True, help="Images of a request."
)
@click.option("--images", type=click.IntRange(1, 10**6), default=64, show_default=True, help="Measured.")
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
    batch: int,
    images: int,
    utilisation: float,
    config: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure the images a second of MODEL with filters and marks, and price 1,000 of them.

    The server's own queue and filters work, without HTTP; nothing is left in its state folder.
    """
    from gan.jobs.serving import costs
    from gan.jobs.serving.settings import settings

    prices = costs.prices_of(named)
    if price_per_hour is not None:
        prices = {"this machine": price_per_hour, **prices}
    pace = costs.measure(settings(config, assignments, {"models": (model,)}), images, batch)
    if as_json:
        echo_json(costs.told(pace, prices, utilisation))
        return
    _show(pace, prices, utilisation)


def _show(pace: "Pace", prices: dict[str, float], utilisation: float) -> None:
    """The pace, what it assumes, and a line a machine."""
    from gan.jobs.serving.costs import price_of_thousand

    click.echo(f"{pace.per_second:.4g} images/s of {pace.model} on {pace.device} ({pace.threads} threads)")
    click.echo(f"  measured: {pace.images} images in {pace.seconds:.2f} s, {pace.batch} a request, no HTTP")
    click.echo(f"  filters: {', '.join(pace.filters) or 'none'}; held back: {pace.blocked}")
    signed = "signed by C2PA" if pace.c2pa else "not signed"
    click.echo(f"  watermarked: {pace.marked}; {signed}; {pace.size:,.0f} bytes an image")
    click.echo(f"  assumed: machines at this pace make images for {utilisation:.0%} of the time that is paid")
    for name, price in prices.items():
        thousand = price_of_thousand(price, pace.per_second, utilisation)
        click.echo(f"{name}: {price:g} an hour, {thousand:.4g} for 1,000 images")
