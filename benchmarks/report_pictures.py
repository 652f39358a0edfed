"""The pictures of docs/REPORTS.md: python -m benchmarks.report_pictures RUN RUN2 --out docs/images

A headless Chromium of the system looks at the page of the first run in light colours, on a phone in the dark,
on paper (PDF, of which the second page is drawn), and at the comparison of both in the dark.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import click
from PIL import Image

from gan.errors import UserError, install
from gan.jobs.reporting import report

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
MOST = 300_000  # bytes of a picture
PATIENCE = 600_000  # milliseconds, on a machine with other work


@click.command(help=__doc__)
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.argument("other", type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(run: Path, other: Path, out: Path) -> None:
    """See above."""
    try:
        import pypdfium2
        from playwright import sync_api
    except ImportError as error:
        raise UserError(f"pictures of pages need the package {error.name}; {install('dev')}") from error

    browser_path = next(filter(None, map(shutil.which, NAMES)), None)
    if browser_path is None:
        raise UserError("pictures of pages need a Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_api.sync_playwright() as started:
        one, both = (Path(folder) / f"{name}.html" for name in ("one", "both"))
        report([run], one), report([run, other], both)
        browser = started.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        look(browser, one, out / "report-light.png", width=1100, height=2200)
        look(
            browser,
            one,
            out / "report-phone-dark.png",
            scheme="dark",
            width=390,
            height=1400,
            anchor="curves",
        )
        look(browser, both, out / "report-comparison.png", scheme="dark", width=1100, height=1600)
        page = opened(browser, one)
        page.pdf(path=str(Path(folder) / "one.pdf"), format="A4", print_background=True)
        drawn = pypdfium2.PdfDocument(Path(folder) / "one.pdf")
        click.echo(f"{len(drawn)} pages on paper")
        keep(drawn[1].render(scale=1.3).to_pil(), out / "report-print.png")
        browser.close()


def opened(browser: Any, path: Path, scheme: str = "light", width: int = 1100, height: int = 1000) -> Any:
    """A page whose charts are all drawn."""
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE)
    page.goto(path.as_uri())
    page.wait_for_function("document.body.dataset.drawn")
    return page


def look(
    browser: Any,
    path: Path,
    out: Path,
    scheme: str = "light",
    width: int = 0,
    height: int = 0,
    anchor: str = "",
) -> None:
    """A picture of the window's size, from the heading `anchor` on."""
    page = opened(browser, path, scheme, width, height)
    if anchor:
        page.evaluate("(id) => document.getElementById(id).scrollIntoView()", anchor)
    page.screenshot(path=str(out))
    keep(Image.open(out, formats=("PNG",)), out)


def keep(image: Image.Image, out: Path) -> None:
    """As PNG, in fewer colours until it is small enough."""
    image = image.convert("RGB")
    for colours in (256, 128, 64, 32):
        image.quantize(colours, dither=Image.Dither.NONE).save(out, optimize=True)
        if out.stat().st_size <= MOST:
            break
    click.echo(f"{out} {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
