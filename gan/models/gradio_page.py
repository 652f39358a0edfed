"""A page of gradio that draws from a model: what the app.py of `gan space` shows, on a CPU as on a GPU.

It needs this package's networks, models and sampling alone, so that a Space holds no more than these.
"""

import math
from pathlib import Path
from typing import Any

import torch
from PIL import Image

import gan
from gan.errors import UserError, install
from gan.images import grid, to_pil
from gan.models import card
from gan.sampling import choices, chosen, has_styles, images

MOST = 16  # images at once
LARGEST_SEED = 2**31 - 1
DRAWN = "any"  # the class is drawn from the seed
_PIXELS = 512  # a picture is enlarged by a whole factor to have about so many rows


class Drawer:
    """A model and what can be chosen. classes: names, [] without.  has_psi: whether it has a truncation."""

    def __init__(self, model: str | Path, device: str = "cpu") -> None:
        """model: whatever `gan.load` takes. Raises what that raises."""
        self.generator = gan.load(model, device)
        about: Any = self.generator.about
        data = (about or {}).get("data") or {}
        names = [str(name) for name in data.get("classes") or ()]
        count = choices(self.generator)
        self.classes = names if len(names) == count else [str(number) for number in range(count)]
        self.has_psi = has_styles(self.generator)
        self.name = str(data.get("name") or "unknown data")

    def draw(self, seed: float = 0, count: float = 9, psi: float = 0.7, label: str = DRAWN) -> Image.Image:
        """A grid of the images of seeds `seed`, `seed` + 1, ..., at most MOST of them.

        label: a class by name, or DRAWN. What is out of bounds is brought into them: a visitor types it.
        """
        first = int(min(max(seed or 0, 0), LARGEST_SEED))
        numbers = range(first, first + int(min(max(count or 1, 1), MOST)))
        labels = None
        if label in self.classes:
            labels = chosen(self.generator, [self.classes.index(label)] * len(numbers))
        truncation = min(max(float(psi), 0.0), 1.0) if self.has_psi else 1.0
        drawn = [
            batch.cpu() for batch in images(self.generator, numbers, labels=labels, psi=truncation, batch=4)
        ]
        picture = grid(torch.cat(drawn))  # [1 or 3, H, W]
        factor = max(1, math.ceil(_PIXELS / picture.shape[1]))
        return to_pil(picture.repeat_interleave(factor, 1).repeat_interleave(factor, 2))


def page(drawer: Drawer, title: str) -> Any:
    """The page as gradio's Blocks; its function is offered as `/draw`. UserError without the extra."""
    try:
        import gradio
    except ImportError as error:
        raise UserError(f"the page needs gradio: {install('space')}") from error
    with gradio.Blocks(title=title, analytics_enabled=False) as blocks:
        gradio.Markdown(f"# {title}\n\n{card.NOTICE}")
        with gradio.Row():
            with gradio.Column(scale=1):
                seed = gradio.Number(0, label="Seed", precision=0, minimum=0, maximum=LARGEST_SEED)
                count = gradio.Slider(1, MOST, 9, step=1, label="Images")
                psi = gradio.Slider(
                    0,
                    1,
                    0.7,
                    step=0.05,
                    label="Truncation psi: smaller is more typical",
                    visible=drawer.has_psi,
                )
                label = gradio.Dropdown(
                    [DRAWN, *drawer.classes], value=DRAWN, label="Class", visible=bool(drawer.classes)
                )
                button = gradio.Button("Draw", variant="primary")
            with gradio.Column(scale=2):
                told = f"Made by a machine that has seen {drawer.name}"
                picture = gradio.Image(label=told, show_label=False, format="png")
                gradio.Markdown(told)
        given = [seed, count, psi, label]
        button.click(drawer.draw, given, picture, api_name="draw")
        blocks.load(drawer.draw, given, picture, api_name=False)
    return blocks
