"""What may leave: every image gets a verdict, and a filter that fails holds the image back."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from gan.errors import UserError
from gan.images import rgb_view
from gan.jobs.serving.settings import ServeConfig
from training.preparation import blocklist, hashes
from training.preparation.content import NAME, ContentFilter


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """allowed: whether the image leaves.  reason: why not, "" where it does.

    content: probability of sexual content by the classifier, None where it was not asked.
    """

    allowed: bool
    reason: str = ""
    content: float | None = None


Look = Callable[[np.ndarray], Verdict]


class Filters:
    """All filters that are on, in `names`; an image is allowed where each of them allows it."""

    def __init__(self, settings: ServeConfig) -> None:
        """Raises UserError where a filter is asked for and cannot be had; auto warns that there is none."""
        self._looks: list[tuple[str, Look]] = []
        if settings.blocklist is not None:
            listed = blocklist.read(settings.blocklist)
            self._looks.append(("blocklist", lambda rgb: _listed(listed, rgb)))
        if settings.content_filter != "off":
            try:
                content = ContentFilter(settings.content_threshold)
                self._looks.append((NAME, lambda rgb: _content(content, rgb)))
            except UserError as error:
                if settings.content_filter == "on":
                    raise
                warnings.warn(f"images leave without a look at their content: {error}", stacklevel=2)

    @property
    def names(self) -> Sequence[str]:
        """Of the filters that are on."""
        return [name for name, _ in self._looks]

    def verdict(self, image: Tensor) -> Verdict:
        """Of uint8 [C, H, W]. Never raises: where a filter fails, the image is held back."""
        found = Verdict(allowed=True)
        try:
            rgb = np.ascontiguousarray(rgb_view(image).permute(1, 2, 0).numpy())  # [H, W, 3]
            for _, look in self._looks:
                found = look(rgb)
                if not found.allowed:
                    break
        except Exception as error:
            return Verdict(allowed=False, reason=f"a filter failed: {type(error).__name__}")
        return found


def _listed(listed: blocklist.Blocklist, rgb: np.ndarray) -> Verdict:
    met = listed.reason([hashes.exact(rgb)], hashes.thumbnail(rgb))
    return Verdict(allowed=met is None, reason="blocklist" if met else "")


def _content(content: ContentFilter, rgb: np.ndarray) -> Verdict:
    score = content.score(rgb)
    refused = content.is_refused(score)
    return Verdict(allowed=not refused, reason=NAME if refused else "", content=round(score, 4))
