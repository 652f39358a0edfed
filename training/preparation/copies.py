"""Which copies are dropped."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.preparation.catalogue import Catalogue
from training.preparation.decide import Verdicts, drop_copies

HOW = ("near", "exact", "keep")


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Options about copies."""

    how: str = "near"

    def refusal(self) -> Callable[[dict[str, Any]], str | None] | None:
        return None

    def drop(self, catalogue: Catalogue, found: Verdicts) -> None:
        groups = {}
        paths = {}
        for number, _, _, record in catalogue.records():
            if found.verdicts.get(number, ("",))[0] == "keep":
                groups.setdefault(record["pixels_sha256"], []).append(number)
                paths[number] = record["path"]
        drop_copies(found, [(m, m[0]) for m in groups.values() if len(m) > 1], paths)
