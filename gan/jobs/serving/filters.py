"""What may leave: every image gets a verdict, and a filter that fails holds the image back."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from gan.errors import UserError
from gan.images import rgb_view
from gan.jobs.serving.memorised import NAME as MEMORISED
from gan.jobs.serving.memorised import Memorised
from gan.jobs.serving.policies import Action, blurred, strictest
from gan.jobs.serving.settings import ServeConfig
from training.preparation import blocklist, hashes
from training.preparation.content import NAME, ContentFilter

OUTCOMES: dict[Action, str] = {"block": "blocked", "blur": "blurred", "mark": "marked", "allow": "allowed"}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """action: what the policies do with the image.  reason: the filters that it met, "" for none.

    content: probability of sexual content by the classifier.  nearest: distance of features to the nearest
    training image. None where it was not asked.
    """

    action: Action = "allow"
    reason: str = ""
    content: float | None = None
    nearest: float | None = None

    @property
    def allowed(self) -> bool:
        """Whether something of the image leaves."""
        return self.action != "block"

    @property
    def outcome(self) -> str:
        """One of OUTCOMES: blocked, blurred, marked or allowed."""
        return OUTCOMES[self.action]

    def __str__(self) -> str:
        """As headers, metadata and the log have it: "allowed", "open_nsfw", "blurred:open_nsfw"."""
        if not self.reason:
            return self.outcome
        return self.reason if self.action == "block" else f"{self.outcome}:{self.reason}"


@dataclass
class _Seen:
    """An image as filters see it, and what they have taken down."""

    image: Tensor
    rgb: np.ndarray  # uint8 [H, W, 3]
    scores: dict[str, float] = field(default_factory=dict)


_Look = Callable[[_Seen], bool]  # whether it met something


class Filters:
    """All filters that are on, in `names`, each with the action that its policy takes."""

    def __init__(self, settings: ServeConfig) -> None:
        """Raises UserError where a filter is asked for and cannot be had; auto warns that there is none."""
        policies = settings.policies
        self._looks: list[tuple[str, Action, _Look]] = []
        self.memorised: Memorised | None = None
        if settings.blocklist is not None:
            listed = blocklist.read(settings.blocklist)
            self._looks.append(("blocklist", policies.blocklist, lambda seen: _listed(listed, seen)))
        if settings.content_filter != "off":
            try:
                content = ContentFilter(settings.content_threshold)
                self._looks.append((NAME, policies.content, lambda seen: _content(content, seen)))
            except UserError as error:
                if settings.content_filter == "on":
                    raise
                warnings.warn(f"images leave without a look at their content: {error}", stacklevel=2)
        if settings.memorisation is not None:
            near = self.memorised = Memorised(settings.memorisation, settings.memorised_percentile)
            self._looks.append((MEMORISED, policies.memorised, lambda seen: _memorised(near, seen)))

    @property
    def names(self) -> Sequence[str]:
        """Of the filters that are on."""
        return [name for name, _, _ in self._looks]

    def verdict(self, image: Tensor) -> Verdict:
        """Of uint8 [C, H, W], by every filter. Never raises: where one fails, the image is held back."""
        met: list[tuple[str, Action]] = []
        try:
            seen = _Seen(image, np.ascontiguousarray(rgb_view(image).permute(1, 2, 0).numpy()))
            met = [(name, action) for name, action, look in self._looks if look(seen)]
        except Exception as error:
            return Verdict(action="block", reason=f"a filter failed: {type(error).__name__}")
        return Verdict(
            action=strictest([action for _, action in met]),
            reason="+".join(name for name, _ in met),
            content=seen.scores.get(NAME),
            nearest=seen.scores.get(MEMORISED),
        )


def leaving(image: Tensor, verdict: Verdict) -> Tensor | None:
    """What leaves of uint8 [C, H, W]: the image, its blurred form, or nothing."""
    if verdict.action == "block":
        return None
    return blurred(image) if verdict.action == "blur" else image


def _listed(listed: blocklist.Blocklist, seen: _Seen) -> bool:
    return listed.reason([hashes.exact(seen.rgb)], hashes.thumbnail(seen.rgb)) is not None


def _content(content: ContentFilter, seen: _Seen) -> bool:
    score = content.score(seen.rgb)
    seen.scores[NAME] = round(score, 4)
    return content.is_refused(score)


def _memorised(near: Memorised, seen: _Seen) -> bool:
    distance = near.distance(seen.image)
    seen.scores[MEMORISED] = round(distance, 4)
    return near.is_met(distance)
