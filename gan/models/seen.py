"""Feature networks that the discriminators of a model saw: a score on their features flatters the model.

A generator that is trained against features comes close to the data in just these (Kynkaanniemi et al. 2023,
"The Role of ImageNet Classes in Frechet Inception Distance"), whatever its images look like. So every score
names these networks, and one on the features of one of them is marked; see `mark`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

MARK = "seen-by-D"  # in tables, cards and pages
Network = dict[str, str]  # {"network": name, "sha256": of its weights}


def of_config(config: Mapping[str, Any]) -> list[Network] | None:
    """The networks of a checkpoint's config.json, the present discriminator's first; None if not known.

    Those of earlier phases of the run and of the models that it started from are among them, for what the
    generator learnt of their features stays.
    """
    discriminator = config.get("discriminator")
    if not discriminator:
        return None
    found = _through(discriminator)
    for phase in reversed(config.get("phases") or ()):
        old = {change["field"].removeprefix("discriminator."): change["old"] for change in phase["changes"]}
        discriminator = {**discriminator, **old}
        found += _through(discriminator)
    return united(found, config.get("features_seen"))


def united(*lists: Sequence[Network] | None) -> list[Network]:
    """All networks of these lists once, in the order of their first; None counts as none."""
    return list({network["sha256"]: network for found in lists for network in found or ()}.values())


def by(record: Mapping[str, Any], networks: Sequence[Network] | None) -> bool | None:
    """Whether a score is on the features of one of `networks`, at whatever resolution; None if not known.

    Networks are the same by the sha256 of their weights, or by their name: another file of the same network.
    """
    if networks is None:
        return None
    digest, name = record.get("detector_sha256"), plain(record.get("detector") or "")
    return any(digest == seen["sha256"] or name == plain(seen["network"]) for seen in networks)


def mark(records: Sequence[dict[str, Any]], networks: Sequence[Network] | None) -> None:
    """Add to every record `d_features`, the networks, and `seen_by_d`, as `by` has it."""
    for record in records:
        record["d_features"] = None if networks is None else list(networks)
        record["seen_by_d"] = by(record, networks)


def plain(name: str) -> str:
    """A network's name without its library, precision and spelling: timm:tf_efficientnet_lite1 as ours."""
    return re.sub(r"^tf|[^a-z0-9]", "", name.lower().rpartition(":")[2].removesuffix("-bf16"))


def _through(discriminator: Mapping[str, Any]) -> list[Network]:
    name = discriminator.get("backbone")
    return [{"network": name, "sha256": discriminator.get("weights_sha256") or "unknown"}] if name else []
