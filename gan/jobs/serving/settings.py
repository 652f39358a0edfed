"""Settings of `gan serve`: a YAML file with these keys, and `--set key=value`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gan import config
from gan.errors import UsageError
from gan.jobs.serving.policies import Policies

STATE = "serve"  # folder of keys and of the audit log, in the current one
MOST_IMAGES = 256  # of one request, at most: its whole answer lies in memory
MOST_BATCH_IMAGES = 50_000  # their seeds are one line of the audit log
MOST_WORKERS = 256
TERMS = "1"  # version of the operator's terms that a key agrees to, unless another is named


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """models: what `gan serve MODEL...` takes.  host, port: to listen on; port 0 is a free one.

    state: folder of keys, of the watermark's secret and of the audit log.
    tls_certificate, tls_private_key: PEM files, both or none.
    queue: images that may wait for a model; where more wait for filters and marks, none is accepted, either.
    most_images: of one request.  deadline_seconds: of one request.
    most_batch_images: of one batch.  batch_hours: after which a finished one is removed.  batch_disk_gib: of
    the files of all batches.  workers: processes behind the port, each with queues, models and limits of
    connections of its own; with ray, replicas.  ray: HOST:PORT of a Ray cluster whose machines make the
    images, auto for the one of this machine, local for a new one.
    directions: files of `gan directions` that clients may move images along.
    memory_gib: of the weights of all loaded models; None loads all that are asked for.
    max_body_bytes: of a request.  body_seconds: in which its head must have come, and then its body.
    max_connections: at once.
    content_filter: auto is on where its package is installed; on refuses to start without it.
    content_threshold: probability from which an image is held back, 0 to 1.
    blocklist: file of hashes, as `gan data prepare --blocklist` reads it.
    watermark: auto marks what can carry a mark; on holds back what cannot.
    c2pa: auto signs images where there is a certificate; on refuses to start, and holds images back, without.
    c2pa_certificate, c2pa_private_key: PEM files, both or none; none takes those in `state`.
    max_verify_bytes: of a picture that is sent to /v1/verify.
    policies: what is done with an image that a filter finds, by filter.
    memorisation: the training set, to whose images none may come too near.  memorised_percentile: of nearest
    distances among those images, up to which it is too near.
    blocked_words: file of words that are refused.  blocked_classes: names or numbers, also as "model/class".
    condition_bounds: pairs of lowest and highest, one for all values of a vector or one a value.
    input_classifier: module:function or FILE.py:function that must say True to what is asked for,
    within input_classifier_seconds.
    near_misses: that a key may have in near_miss_minutes, before it is refused for a while.
    redis: URL of a Redis that has keys and counts for several machines, redis://, rediss:// or unix://; None
    has them in SQLite. It may hold a password, and is never shown.
    require_attestation: whether a key must carry an attestation of age and of these `terms`.
    """

    models: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    state: str = STATE
    device: str = "auto"
    tls_certificate: str | None = None
    tls_private_key: str | None = None
    queue: int = 64
    most_images: int = 16
    deadline_seconds: float = 60.0
    most_batch_images: int = 1000
    batch_hours: float = 24.0
    batch_disk_gib: float = 4.0
    workers: int = 1
    ray: str | None = None
    directions: tuple[str, ...] = ()
    memory_gib: float | None = None
    max_body_bytes: int = 65_536
    body_seconds: float = 10.0
    max_connections: int = 512
    content_filter: Literal["auto", "on", "off"] = "auto"
    content_threshold: float = 0.8
    blocklist: str | None = None
    watermark: Literal["auto", "on", "off"] = "auto"
    c2pa: Literal["auto", "on", "off"] = "auto"
    c2pa_certificate: str | None = None
    c2pa_private_key: str | None = None
    max_verify_bytes: int = 8 * 2**20
    policies: Policies = field(default_factory=Policies)
    memorisation: str | None = None
    memorised_percentile: float = 1.0
    blocked_words: str | None = None
    blocked_classes: tuple[int | str, ...] = ()
    condition_bounds: tuple[tuple[float, float], ...] = ()
    input_classifier: str | None = None
    input_classifier_seconds: float = 2.0
    near_misses: int = 20
    near_miss_minutes: float = 60.0
    redis: str | None = field(default=None, repr=False)
    require_attestation: bool = True
    terms: str = TERMS

    def __post_init__(self) -> None:
        config.positive(self, "queue", "most_images", "most_batch_images", "max_body_bytes")
        config.positive(self, "max_connections", "max_verify_bytes", "workers", "near_misses")
        hours = "near_miss_minutes", "batch_hours", "batch_disk_gib", "input_classifier_seconds"
        for name in (*hours, "deadline_seconds", "body_seconds", "memory_gib"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} must be above 0; got {value}")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be from 0 to 65535; got {self.port}")
        if not 0 <= self.content_threshold <= 1:
            raise ValueError(f"content_threshold must be from 0 to 1; got {self.content_threshold}")
        if not 0 <= self.memorised_percentile <= 100:
            raise ValueError(f"memorised_percentile must be from 0 to 100; got {self.memorised_percentile}")
        if self.ray is not None and not re.fullmatch(r"auto|local|[^/\s]+:[0-9]{1,5}", self.ray):
            raise ValueError(f"ray must be HOST:PORT, auto or local; got {self.ray}")
        if self.redis is not None and not self.redis.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("redis must begin with redis://, rediss:// or unix://")
        for low, high in self.condition_bounds:
            if not low <= high:
                raise ValueError(f"condition_bounds: {low} is not below {high}")
        if self.most_images > MOST_IMAGES:
            raise ValueError(f"most_images must be {MOST_IMAGES} at most; got {self.most_images}")
        for name, most in (("most_batch_images", MOST_BATCH_IMAGES), ("workers", MOST_WORKERS)):
            if getattr(self, name) > most:
                raise ValueError(f"{name} must be {most:,} at most; got {getattr(self, name)}")
        if self.most_images > self.queue:
            raise ValueError(
                f"most_images {self.most_images} could never be queued: the queue holds {self.queue}"
            )
        if (self.tls_certificate is None) != (self.tls_private_key is None):
            raise ValueError("tls_certificate and tls_private_key go together: give both or none")
        if (self.c2pa_certificate is None) != (self.c2pa_private_key is None):
            raise ValueError("c2pa_certificate and c2pa_private_key go together: give both or none")


def settings(
    file: str | Path | None, assignments: Sequence[str] = (), typed: dict[str, Any] | None = None
) -> ServeConfig:
    """The settings of a YAML file (None: the defaults), changed by assignments, then by `typed` options.

    A value of None in `typed` was not typed. Raises UsageError for an unknown key or a wrong value, and where
    no model is named; UserError for a file that is no YAML.
    """
    data = {} if file is None else config.load_yaml(file)
    found = config.override(config.from_dict(ServeConfig, data, ""), assignments)
    given = {key: value for key, value in (typed or {}).items() if value not in (None, ())}
    found = config.from_dict(ServeConfig, config.to_dict(found) | given, "")
    if not found.models:
        raise UsageError("no model to serve: gan serve MODEL..., or models: [...] in --config")
    return found


def place_of_keys(file: str | Path | None, state: str | None) -> tuple[str | None, str | None]:
    """(state folder, URL of Redis) of a YAML file of settings; what is typed as `state` goes first."""
    if file is None:
        return state, None
    found = config.from_dict(ServeConfig, config.load_yaml(file), "")
    return state or found.state, found.redis
