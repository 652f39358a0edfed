"""What a request for images may say, with the bounds of this server; OpenAPI is made from it."""

import secrets
from typing import Annotated, Any, Literal

from gan.errors import UsageError
from gan.jobs.serving.moves import MOST_AMOUNT, MOST_MOVES, Move
from gan.jobs.serving.orders import Order, check_order
from gan.jobs.serving.sizes import LEAST, MOST
from gan.latents import MAX_SEED

EXAMPLES = {
    "one": {"summary": "One image", "value": {"seeds": [7]}},
    "truncated": {
        "summary": "Nearer to the average, as WebP",
        "value": {"seeds": [7], "psi": 0.7, "format": "webp"},
    },
    "large": {"summary": "Enlarged, as JPEG", "value": {"seeds": [7], "size": 256, "format": "jpeg"}},
    "several": {
        "summary": "Several of one class, as a zip of JPEGs",
        "value": {"count": 4, "class": 0, "format": "zip", "file_format": "jpeg"},
    },
    "moved": {
        "summary": "Along a direction of /v1/models",
        "value": {"seeds": [7], "directions": [{"file": "sefa.safetensors", "index": 0, "amount": 2.0}]},
    },
}
BATCH_EXAMPLES = {
    "count": {"summary": "Seeds that the server draws", "value": {"count": 40}},
    "seeds": {
        "summary": "By seeds, as WebP",
        "value": {"seeds": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "psi": 0.7, "file_format": "webp"},
    },
}
MOST_PSI = 2.0
_MOST_VALUES = 4096  # of a vector of conditions
_FILE_FORMATS = Literal["png", "webp", "jpeg"]


def wanted(most: int, batch: bool = False) -> type[Any]:
    """The pydantic model of the body of POST /v1/images, or of POST /v1/batches.

    most: images of a request. Only where the extra `serve` is installed.
    """
    from pydantic import BaseModel, ConfigDict, Field

    seed = Annotated[int, Field(strict=True, ge=0, le=MAX_SEED)]
    number = Annotated[float, Field(allow_inf_nan=False)]
    name = Annotated[str, Field(max_length=200)]
    class_number = Annotated[int, Field(strict=True, ge=0, le=10**9)]
    forbid = ConfigDict(extra="forbid", allow_inf_nan=False)

    class Direction(BaseModel):
        """One step along a direction."""

        model_config = forbid
        file: name = Field(description="Of GET /v1/models.")
        index: int = Field(strict=True, ge=0, le=10**6, description="Number of the direction in the file.")
        amount: number = Field(ge=-MOST_AMOUNT, le=MOST_AMOUNT, description="Standard deviations.")

    class BatchRequest(BaseModel):
        """Images by their seeds, or a number of images by seeds that the server draws."""

        model_config = forbid
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
        directions: list[Direction] = Field(
            [], max_length=MOST_MOVES, description="Moved along each of them, which lie in one space."
        )
        size: Annotated[int, Field(strict=True, ge=LEAST, le=MOST)] | None = Field(
            None, description="Pixels of the longer side; as the model has it where left out."
        )
        file_format: _FILE_FORMATS | None = Field(None, description="Of files in a zip; PNG where left out.")

    class ImagesRequest(BatchRequest):
        """Images by their seeds, or a number of images by seeds that the server draws."""

        format: Literal["png", "webp", "jpeg", "zip"] = Field(
            "png", description="A zip holds images, and manifest.json with their verdicts."
        )

    return BatchRequest if batch else ImagesRequest


def order_of(body: Any, most: int, models: list[str]) -> Order:
    """The order of a body as `wanted` has it. UsageError for parts that do not go together.

    most: images of a request.
    """
    if body.seeds is not None and body.count is not None:
        raise UsageError("seeds and count: give one of them")
    if body.class_ is not None and body.condition is not None:
        raise UsageError("class and condition: a model knows one of them; give that")
    if body.model is None and len(models) > 1:
        raise UsageError(f"name a model, one of {', '.join(models)}")
    form = getattr(body, "format", "zip")  # a batch is one
    if body.file_format is not None and form != "zip":
        raise UsageError("file_format is that of files in a zip: leave it out, or ask for the format zip")
    seeds = body.seeds or _drawn(body.count or 1)
    order = Order(
        model=body.model or models[0],
        seeds=tuple(seeds),
        label=body.class_ if body.condition is None else tuple(body.condition),
        psi=body.psi,
        form=form,
        moves=tuple(Move(each.file, each.index, each.amount) for each in body.directions),
        size=body.size,
        inner=body.file_format or "png",
    )
    check_order(order, most)
    return order


def _drawn(count: int) -> list[int]:
    """That many distinct seeds, which nobody can foresee."""
    seeds: dict[int, None] = {}
    while len(seeds) < count:
        seeds[secrets.randbelow(MAX_SEED + 1)] = None
    return list(seeds)
