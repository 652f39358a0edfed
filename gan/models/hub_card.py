"""The model card as a hub reads it: metadata in YAML, then the card of the checkpoint.

Scores go into the model index with our convention as the metric's configuration, because a number without it
cannot be compared.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gan import hub
from gan.errors import UserError, install
from gan.models import card

TASK = "unconditional-image-generation"
KNOWN = re.compile(  # licences that the hub knows, and that data sets of images have
    r"apache-2\.0|mit|cc0-1\.0|cc-by(-nc|-nd|-sa|-nc-nd|-nc-sa)?-[234]\.0|pddl|odc-by|odbl|unlicense|gpl-3\.0"
)
_SHORT = {"cc0": "cc0-1.0", "apache": "apache-2.0", "public-domain": "other"}


def readme(config: Mapping[str, Any], text: str, repo: str, metrics: Sequence[Mapping[str, Any]] = ()) -> str:
    """README.md of a repository.

    config: the checkpoint's config.json.  text: its card.  repo: user/name.  metrics: of metrics.jsonl.
    UserError without the extra.
    """
    try:
        from huggingface_hub import ModelCardData
    except ImportError as error:
        raise UserError(f"a hub's card needs huggingface_hub: {install('hub')}") from error
    data, generator = config.get("data") or {}, config["generator"]
    tags = ["gan", str(generator.get("type")), *(["class-conditional"] if generator.get("c_dim") else [])]
    name, other_name = licence(data.get("licence"))
    about = ModelCardData(
        license=name,
        license_name=other_name,
        library_name="gan-workbench",
        pipeline_tag=TASK,
        tags=tags,
        datasets=data_names(config) or None,
        model_name=repo.partition("/")[2],
        eval_results=results(config, metrics) or None,
    )
    loading = [
        f'`generator = gan.load("hf://{repo}")`, or with `@` and a commit behind it for these very weights',
        f"`gan sample hf://{repo} --seeds 0-63 --out grid.png`",
    ]
    body = card.with_section(text, "From the hub", loading) if text else f"# {repo}\n"
    return f"---\n{about.to_yaml()}\n---\n\n{body}"


def licence(told: str | None) -> tuple[str, str | None]:
    """The licence of the data in the hub's words, which images keep to; its name where that is `other`."""
    if not told:
        return "unknown", None
    plain = re.sub(r"[\s_]+", "-", told.strip().lower())
    plain = _SHORT.get(plain, plain)
    if KNOWN.fullmatch(plain):
        return plain, None
    return "other", re.sub(r"[^a-z0-9.-]+", "-", plain).strip("-") or "other"


def data_names(config: Mapping[str, Any]) -> list[str]:
    """Data sets on the hub that the model was trained on: user/name."""
    path = str(((config.get("run") or {}).get("data") or {}).get("path") or "")
    return [hub.parse(path, "dataset").repo] if hub.is_name(path) else []


def results(config: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The last score of each kind as the hub's EvalResult: convention as metric_config, the rest as args."""
    from huggingface_hub import EvalResult

    data = config.get("data") or {}
    name = str(data.get("name") or "unknown")
    kept = ("detector", "detector_sha256", "num_real", "num_fake", "seed", "psi", "kimg", "seen_by_d")
    return [
        EvalResult(
            task_type=TASK,
            dataset_type=(data_names(config) or [name])[0],
            dataset_name=name,
            dataset_args={"sha256": record.get("data_sha256") or "unknown", "images": data.get("images")},
            metric_type=str(record["metric"]),
            metric_name=str(record.get("label") or record["metric"]),
            metric_value=record["value"],
            metric_config=str(record.get("convention")),
            metric_args={key: record[key] for key in kept if record.get(key) is not None},
        )
        for record in card.last_scores(metrics, config["kimg"])
        if record["value"] is not None
    ]
