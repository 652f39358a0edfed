"""Puts the operator's watermark into what leaves, as the settings have it."""

from dataclasses import replace

from torch import Tensor

from gan.jobs.marking.coding import Payload
from gan.jobs.marking.secret import secret_of
from gan.jobs.marking.watermark import Watermark
from gan.jobs.serving.filters import Verdict
from gan.jobs.serving.keys import Key
from gan.jobs.serving.settings import ServeConfig

UNMARKED = "watermark"  # why an image is held back that must carry a watermark and cannot


def payload_of(key: Key, digest: str) -> Payload:
    """What a mark says: the first 16 bits of the number of the key that asked, and of the model's digest."""
    return Payload(key=int(key.number[:4], 16), model=int(digest[:4], 16))


class Watermarking:
    """By the secret in the state folder, which is made where there is none, or by one that is given.

    Raises UserError where the secret cannot be read or written.
    """

    def __init__(self, settings: ServeConfig, secret: bytes | None = None) -> None:
        self._must = settings.watermark == "on"
        self._watermark: Watermark | None = None
        if settings.watermark != "off":
            self._watermark = Watermark(secret_of(settings.state) if secret is None else secret)

    def mark(self, image: Tensor, key: Key, digest: str, verdict: Verdict) -> tuple[Tensor, bool, Verdict]:
        """(image, whether it carries the mark, verdict); an image that is held back stays as it is.

        Where an image cannot carry the mark, it is held back if it must, and leaves without one if not.
        """
        if self._watermark is None or not verdict.allowed:
            return image, False, verdict
        result = self._watermark.embed(image, payload_of(key, digest))
        if result is not None:
            return result, True, verdict
        if self._must:
            verdict = replace(verdict, action="block", reason=UNMARKED)
        return image, False, verdict
