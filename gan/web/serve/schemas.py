"""What a request for images may say, with the bounds of this server; OpenAPI is made from it."""

import secrets
from typing import Annotated, Any, Literal

from gan.errors import UsageError
from gan.jobs.serving.service import Order, check_order
from gan.jobs.serving.settings import ServeConfig
from gan.latents import MAX_SEED

EXAMPLES = {
    "one": {"summary": "One image", "value": {"seeds": [7]}},
    "truncated": {
        "summary": "Nearer to the average, as WebP",
        "value": {"seeds": [7], "psi": 0.7, "format": "webp"},
    },
    "several": {
        "summary": "Several of one class, as a zip",
        "value": {"count": 4, "class": 0, "format": "zip"},
    },
}
MOST_PSI = 2.0
_MOST_VALUES = 4096  # of a vector of conditions


def wanted(settings: ServeConfig) -> type[Any]:
    """The pydantic model of the body of POST /v1/images. Only where the extra `serve` is installed."""
    from pydantic import BaseModel, ConfigDict, Field

    most = settings.most_images
    seed = Annotated[int, Field(strict=True, ge=0, le=MAX_SEED)]
    number = Annotated[float, Field(allow_inf_nan=False)]
    name = Annotated[str, Field(max_length=200)]
    class_number = Annotated[int, Field(strict=True, ge=0, le=10**9)]

    class ImagesRequest(BaseModel):
        """Images by their seeds, or a number of images by seeds that the server draws."""

        model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
        model: Annotated[str, Field(max_length=100)] | None = Field(
            None, description="Of GET /v1/models; may be left out where there is one."
        )
        seeds: list[seed] | None = Field(
            None, min_length=1, max_length=most, description="One image each; no seed twice."
        )
        count: Annotated[int, Field(strict=True, ge=1, le=most)] | None = Field(
            None, description="Instead of seeds; 1 where both are left out."
        )
        class_: class_number | name | None = Field(
            None, alias="class", description="By number or name; drawn from each seed where left out."
        )
        condition: list[number] | None = Field(
            None, min_length=1, max_length=_MOST_VALUES, description="For models that take a vector."
        )
        psi: number = Field(1.0, ge=-MOST_PSI, le=MOST_PSI, description="Truncation; 1 is none.")
        format: Literal["png", "webp", "jpeg", "zip"] = Field(
            "png", description="A zip holds PNGs, and manifest.json with their verdicts."
        )

    return ImagesRequest


def order_of(body: Any, settings: ServeConfig, models: list[str]) -> Order:
    """The order of a body as `wanted` has it. UsageError for parts that do not go together."""
    if body.seeds is not None and body.count is not None:
        raise UsageError("seeds and count: give one of them")
    if body.class_ is not None and body.condition is not None:
        raise UsageError("class and condition: a model knows one of them; give that")
    if body.model is None and len(models) > 1:
        raise UsageError(f"name a model, one of {', '.join(models)}")
    seeds = body.seeds or _drawn(body.count or 1)
    label = body.class_ if body.condition is None else tuple(body.condition)
    order = Order(
        model=body.model or models[0], seeds=tuple(seeds), label=label, psi=body.psi, form=body.format
    )
    check_order(order, settings.most_images)
    return order


def _drawn(count: int) -> list[int]:
    """That many distinct seeds, which nobody can foresee."""
    seeds: dict[int, None] = {}
    while len(seeds) < count:
        seeds[secrets.randbelow(MAX_SEED + 1)] = None
    return list(seeds)
