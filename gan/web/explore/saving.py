"""Pictures as bytes, exact at rest and small on the move; and what the page saves of a point.

That is the picture, its styles, or the settings that make it again: here, and by `gan sample --like` what
that command can draw.
"""

import dataclasses
import io
import json
from collections.abc import Callable

from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save
from torch import Tensor

from gan.errors import UsageError, unknown
from gan.images import NOTE, to_pil, view
from gan.jobs.sampling.recipe import Recipe, elsewhere
from gan.jobs.sampling.request import Look, Mix, Request
from gan.networks.base import digest
from gan.sampling import chosen, remembered_conditions
from gan.web.explore import state
from gan.web.explore.model import Model

SMALL = 128 * 128  # pixels up to which a picture on the move is as exact as at rest
QUALITY = 92  # of JPEG
KEY = "gan-explore"  # of the text in a PNG: the same JSON as in a saved file


def encoded(image: Tensor, moving: bool = False) -> tuple[str, bytes]:
    """uint8 [C, H, W] -> (media type, bytes): PNG; of a large picture on the move, JPEG.

    Of more channels than files have, it is the view. PNG is deflated least: at the usual level it would take
    longer than a small network.
    """
    buffer = io.BytesIO()
    if moving and image.shape[1] * image.shape[2] > SMALL:
        to_pil(view(image)).save(buffer, "JPEG", quality=QUALITY, subsampling=0)
        return "image/jpeg", buffer.getvalue()
    to_pil(image if image.shape[0] <= 4 else view(image)).save(buffer, "PNG", compress_level=1)
    return "image/png", buffer.getvalue()


def settings(model: Model, point: state.Point) -> str:
    """JSON text: the model, the point, and what to put behind # in the page's address to see it again."""
    link = state.fragment(state.View(model=model.digest[:12], point=point))
    about = {"model": model.name, "digest": model.digest, "point": state.plain(point), "link": f"#{link}"}
    return json.dumps(about, indent=1, ensure_ascii=False)


def png(model: Model, point: state.Point) -> bytes:
    """The picture at rest, with its settings as a text of the file."""
    image, buffer, text = model.renderer.image(point), io.BytesIO(), PngInfo()
    again = request(model, point)
    weights = digest(model.renderer.generator)
    recipe = None if again is None else Recipe(weights=weights, made="image", request=again)
    text.add_text(NOTE, recipe.text() if recipe else note(model, state.View(point=point)))
    text.add_itxt(KEY, settings(model, point))
    to_pil(image if image.shape[0] <= 4 else view(image)).save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def note(model: Model, shown: state.View) -> str:
    """Metadata of what this page alone makes again: the model, and the view with its seeds and settings."""
    view = state.plain(dataclasses.replace(shown, model=model.digest[:12]))
    facts = {"model": model.name, "model_sha256": model.digest, "view": view}
    return elsewhere(
        "explored", facts | {"seeds": [point.seed for point in shown.keyframes or (shown.point,)]}
    )


def request(model: Model, point: state.Point) -> Request | None:
    """What `gan sample` is asked for the same picture; None where it has no options for it.

    Its pictures are drawn in batches, which may move a rare pixel by one level of 255.
    """
    drawn = point.noise == "random"
    if point.latent or point.place is not None or any(point.amounts):
        return None
    if drawn and (point.mix_layers or (model.renderer.generator.c_dim and point.label is None)):
        return None  # its seed decides classes as well
    layers = ",".join(map(str, point.mix_layers))
    look = Look(
        psi=point.psi,
        psi_cutoff=point.psi_cutoff,
        noise=point.noise,
        noise_strength=point.noise_layers or None,
        translate=point.shift,
        rotate=point.turn,
    )
    return Request(
        seeds=str(point.seed),
        seed=point.noise_seed if drawn else 0,
        look=look,
        mix=Mix(rows=str(point.seed), columns=str(point.mix_seed), layers=layers) if layers else None,
        **_condition(model, point),
    )


def _condition(model: Model, point: state.Point) -> dict[str, object]:
    """Arguments of a request: the class of a point, or its vector."""
    if point.label is None:
        return {}
    if remembered_conditions(model.renderer.generator) is None:
        return {"labels": point.label}
    return {"vectors": tuple(map(tuple, chosen(model.renderer.generator, [point.label]).tolist()))}


def latent(model: Model, point: state.Point) -> bytes:
    """safetensors of `ws` [1, L, D], all edits applied, with the settings as metadata."""
    if not model.renderer.styled:
        raise UsageError("this model has no style space, and so no styles to save: save the JSON")
    return save({"ws": model.renderer.ws(point).clone().contiguous().cpu()}, {KEY: settings(model, point)})


def as_json(model: Model, point: state.Point) -> bytes:
    """The settings alone."""
    return (settings(model, point) + "\n").encode()


KINDS: dict[str, tuple[str, str, Callable[[Model, state.Point], bytes]]] = {
    "png": (".png", "image/png", png),
    "latent": (".safetensors", "application/octet-stream", latent),
    "json": (".json", "application/json", as_json),
}  # kind -> suffix, media type, function


def saved(model: Model, kind: str, point: state.Point) -> tuple[str, str, bytes]:
    """(file name, media type, bytes). UsageError for an unknown kind, or one that the model has not."""
    if kind not in KINDS:
        raise UsageError(unknown("kind of file", kind, KINDS))
    suffix, media, made = KINDS[kind]
    return f"seed{point.seed:04d}{suffix}", media, made(model, point)
