"""What notebooks share: finding a model and its data, showing images, sliders, the page, following a run.

A slider is live while the notebook runs, by ipywidgets, and a contact sheet of its values where the notebook
is only read. Everything else in a notebook is a call of the library.
"""

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from gan import images
from gan.config import load_yaml
from gan.errors import UserError
from gan.files import json_lines
from gan.models import checkpoint
from gan.web.explore import model as models
from gan.web.explore import notebook
from gan.web.explore.state import Point
from training import lock

VARIABLE = "GAN_MODEL"
PLACES = (Path("runs"), Path("../runs"))  # seen from the folder of a notebook, or from the one above
SIDE = 96  # pixels of the shorter side below which pictures are enlarged
STEPS = 5  # values of a slider on a contact sheet
Draw = Callable[..., Tensor]  # values by name -> images [N, C, H, W]
Slide = tuple[float, float, float]  # lowest value, highest, the one at the beginning


def find_model(named: str | Path | None = None) -> Path:
    """The run or checkpoint to look at: the one named, else that of GAN_MODEL, else the newest run here.

    Raises UserError, with what to type, where there is none.
    """
    if named or os.environ.get(VARIABLE):
        path = Path(named or os.environ[VARIABLE])
        checkpoint.resolve(path)
        return path
    runs = [run for place in PLACES for run in place.glob("*") if checkpoint.newest(run)]
    if not runs:
        raise UserError(
            f"no model here: `make demo` trains one in minutes; or name one in MODEL, or in {VARIABLE}"
        )
    return max(runs, key=lambda run: checkpoint.newest(run).stat().st_mtime)


def find_data(model: Path, named: str | Path | None = None) -> Path:
    """The data set to compare with: the one named, else the one that the model's run was trained on.

    Raises UserError where it lies there no more.
    """
    run = checkpoint.read(checkpoint.resolve(model)).run
    told = named or (load_yaml(run / "config.yaml").get("data") or {}).get("path")
    for place in (Path(told), run.resolve().parents[1] / told) if told else ():
        if place.exists():
            return place
    raise UserError(f"the data of {model} are not at {told}: name a data set in DATA")


def picture(shown: Tensor, labels: Sequence[str] = (), columns: int | None = None) -> Image.Image:
    """Images [N, C, H, W], floats about [-1, 1] or uint8, side by side, small ones enlarged.

    labels: N texts, one below each image; none for none.
    """
    pixels = _enlarged(shown)
    sheet = images.labelled_grid(pixels, labels, columns) if labels else images.grid(pixels, columns)
    return images.to_pil(sheet)


def sliders(draw: Draw, slides: Mapping[str, Slide]) -> None:
    """Show the images draw(name=value, ...), with a slider for each argument: (lowest value, highest, first).

    A slider of three whole numbers takes whole numbers. One whose value is let go draws once. Without
    ipywidgets, and where the notebook is only read, there is a contact sheet: a row for each slider, the
    others at their first values.
    """
    from IPython.display import display

    bundle: dict[str, Any] = {"image/png": _png(contact_sheet(draw, slides)), "text/plain": "a contact sheet"}
    with contextlib.suppress(ImportError):  # without ipywidgets the sheet serves
        bundle |= _live(draw, slides)._repr_mimebundle_()
    display(bundle, raw=True)


def explorer(
    model: str | Path, *, data: str | Path | None = None, device: str = "auto", height: int = notebook.HEIGHT
) -> notebook.Explorer | None:
    """Show the page of `gan explore MODEL`, all its panels live; its `view` is what it shows.

    model: a run or checkpoint directory. data: training images, None for those that it was trained on.
    height: of the page, in pixels. Without anywidget, and where the notebook is only read, there is a contact
    sheet of seeds, truncation and directions, and None comes back.
    Raises UserError where there is no model, or the extra `web` is missing.
    """
    from IPython.display import display

    opened, shown = models.opened(model, device, data), None
    slides: dict[str, Slide] = {"seed": (0, 4, 0), "pca0": (-3.0, 3.0, 0.0), "pca1": (-3.0, 3.0, 0.0)}
    if opened.renderer.styled:
        slides["psi"] = (0.0, 1.0, 1.0)

    def draw(seed: int, pca0: float, pca1: float, psi: float = 1.0) -> Tensor:
        return opened.renderer.image(Point(seed=seed, psi=psi, amounts=(pca0, pca1)))[None]

    bundle, about = {}, {}
    with contextlib.suppress(ImportError):  # without anywidget the sheet serves
        shown = notebook.explorer(opened, height)
        bundle, about = shown.widget._repr_mimebundle_()
    bundle |= {"image/png": _png(contact_sheet(draw, slides)), "text/plain": "a contact sheet"}
    display(bundle, metadata=about, raw=True)
    return shown


def contact_sheet(draw: Draw, slides: Mapping[str, Slide]) -> Image.Image:
    """A row for each slider, of STEPS values of it, each the draw(name=value, ...) at them."""
    first = {name: slide[2] for name, slide in slides.items()}
    cells, labels = [], []
    for name, slide in slides.items():
        for step in range(STEPS):
            value = slide[0] + (slide[1] - slide[0]) * step / (STEPS - 1)
            value = round(value) if _is_whole(slide) else value
            cells.append(images.grid(_enlarged(draw(**{**first, name: value}))))
            labels.append(f"{name} {value:.3g}")
    return images.to_pil(images.labelled_grid(torch.stack(cells), labels, STEPS))


def follow(run: Path, every: float = 10.0) -> Iterator[list[dict[str, Any]]]:
    """The statistics of a run's ticks, oldest first: now, and every `every` seconds again while it trains.

    Ends when no process trains it, so that a finished run is told once.
    """
    while True:
        trains = lock.is_held(run)
        yield json_lines(run / "stats.jsonl")[0]
        if not trains:
            return
        time.sleep(every)


def _live(draw: Draw, slides: Mapping[str, Slide]) -> Any:
    """A box of sliders above the picture, which is drawn anew when one is let go."""
    import ipywidgets

    kinds = {True: ipywidgets.IntSlider, False: ipywidgets.FloatSlider}
    bars = {
        name: kinds[_is_whole(slide)](
            value=slide[2],
            min=slide[0],
            max=slide[1],
            description=name,
            continuous_update=False,
            **({} if _is_whole(slide) else {"step": (slide[1] - slide[0]) / 100}),
        )
        for name, slide in slides.items()
    }

    def drawn() -> bytes:
        return _png(picture(draw(**{name: bar.value for name, bar in bars.items()})))

    shown = ipywidgets.Image(value=drawn(), format="png")

    def redraw(_: Any) -> None:
        shown.value = drawn()

    for bar in bars.values():
        bar.observe(redraw, names="value")
    return ipywidgets.VBox([*bars.values(), shown])


def _enlarged(shown: Tensor) -> Tensor:
    """uint8 [N, 1 or 3, H', W'] on the CPU, by a whole factor."""
    pixels = images.view(shown if shown.dtype == torch.uint8 else images.to_uint8(shown)).cpu()
    factor = max(1, -(-SIDE // min(pixels.shape[2:])))
    return pixels.repeat_interleave(factor, 2).repeat_interleave(factor, 3)


def _is_whole(slide: Slide) -> bool:
    return all(isinstance(value, int) for value in slide)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
