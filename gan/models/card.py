"""The model card of a checkpoint: what it is, what it learnt from, how good, what for, how to load it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import gan
from gan.models import seen
from gan.networks import features

NOTICE = (
    "Images from this model are made by a machine (AI-generated). Say so where you show them, and keep to "
    "the licence of the data."
)
USE = """\
- Meant for: pictures of the kind it was trained on, in art, design, teaching and research, labelled as made
  by a machine.
- Not meant for: passing pictures off as photographs or as somebody's work, images of real persons without
  their consent, evidence, and decisions about people.
- It shows what its data show, as often as they do: what is rare or missing there is rare or missing here.
- It may come close to single training images: `gan evaluate --report` puts the nearest beside each other.
- Small psi (truncation) gives more typical and less varied images; scores hold for the psi they name, else 1.
- Scores compare only under the same convention, detector, numbers of images and data.
"""

# Questions of the data sheet (training/preparation/datasheet.py) that a model inherits.
BIAS = (
    "What do the instances represent?",
    "Does the set show people, or anything confidential or offensive?",
    "Which groups of people are shown, and how are they balanced?",
    "Is there a label, and how are the classes balanced?",
    "For what should it not be used?",
)
TRANSPARENCY = (
    "Who created it, and who funded it?",
    "How were the images acquired, and over what time?",
    "Did the people shown consent, and were minors among them?",
    "Was the data cleaned?",
    "Under which licences are the images?",
    "Who maintains the set, and how can images be taken out?",
)
_UNKNOWN_BIAS = (
    "Whom and what the data show, and in what balance, nobody has written down: expect the model to show some"
    " groups more often, or better, than others."
)
_UNKNOWN_SOURCE = (
    "How the data were gathered, and whether people shown in them consented, nobody has written down."
)


def build(
    config: Mapping[str, Any],
    *,
    image_shape: Sequence[int],
    parameters: Mapping[str, int],
    metrics: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The card as Markdown.

    config: a checkpoint's config.json: kimg, generator, discriminator, run and data, as far as known; and
    origin, lines of Markdown on where the weights come from, if they were imported or started from a model;
    and phases, what was changed in the run and when, of which Data and Recipe show the last.
    image_shape: (channels, rows, columns).  parameters: network -> number of trained values.
    metrics: records of metrics.jsonl; of each metric and convention the last is shown.
    """
    run, data = config.get("run") or {}, config.get("data") or {}
    title = f"{run.get('preset') or config['generator']['type']} on {data.get('name') or 'unknown data'}"
    sections = {
        "": NOTICE,
        "Model": _bullets(_model(config, image_shape, parameters)),
        "Origin": _bullets(config.get("origin") or ()),
        "Data": _bullets(_data(data)),
        "Recipe": _bullets(_recipe(run)),
        "Changes on the way": _bullets(_phases(config.get("phases") or ())),
        "Scores": _scores(metrics, config["kimg"]),
        "Bias": _answers(data, BIAS, _UNKNOWN_BIAS),
        "Transparency": _answers(data, TRANSPARENCY, _UNKNOWN_SOURCE),
        "Use and limits": USE,
        "How to load": _loading(config),
    }
    text = "\n".join(
        f"## {name}\n\n{body}" if name else f"{body}\n" for name, body in sections.items() if body
    )
    return f"# {title}, {config['kimg']:g} kimg\n\n{text}"


def with_section(card: str, title: str, lines: Sequence[str]) -> str:
    """The card with a section of these lines before its limits, in place of one of the same title."""
    section = f"## {title}\n\n{_bullets(lines)}\n"
    card = re.sub(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", "", card, flags=re.MULTILINE | re.DOTALL)
    before, heading, after = card.partition("## Use and limits\n")
    return f"{before}{section}{heading}{after}" if heading else f"{card.rstrip()}\n\n{section}"


def _model(config: Mapping[str, Any], shape: Sequence[int], parameters: Mapping[str, int]) -> list[str]:
    channels, rows, columns = shape
    lines = [f"Images: {rows} x {columns} pixels, {channels} channels"]
    for role, count in parameters.items():
        lines.append(f"{role.capitalize()}: {config[role]['type']}, {count / 1e6:.2f} M trained parameters")
    lines += _seen_through(config)
    classes = config["generator"].get("c_dim", 0)
    lines.append(f"Classes: {classes or 'none, unconditional'}")
    lines.append(f"Written by: gan-workbench {gan.__version__}")
    return lines


def _seen_through(config: Mapping[str, Any]) -> list[str]:
    """The frozen networks whose features discriminators saw: scores on the same features flatter."""
    lines, now = [], (config.get("discriminator") or {}).get("weights_sha256")
    for network in seen.of_config(config) or ():
        name, digest = network["network"], network["sha256"]
        who = "The discriminator" if now in (digest, "") else "Before that, another discriminator"
        lines.append(
            f"{who} saw images through {name}, frozen and not in this folder: sha256 of its weights {digest},"
            f" their licence {features.licence(name)}; a score on its features flatters this model and is"
            f" marked {seen.MARK}"
        )
    return lines


def _data(data: Mapping[str, Any]) -> list[str]:
    images, classes = data.get("images"), data.get("classes") or []
    named = ", ".join(classes[:20]) + (f" and {len(classes) - 20} more" if len(classes) > 20 else "")
    return [
        f"Name: {data.get('name') or 'unknown'}",
        f"Images: {images if images else 'number unknown'}",
        f"Licence: {data.get('licence') or 'unknown; ask whoever made the data'}",
        f"sha256 of images, labels and manifest: {data.get('sha256') or 'unknown'}",
        *([f"Classes: {named}"] if classes else []),
    ]


def _answers(data: Mapping[str, Any], questions: Sequence[str], unknown: str) -> str:
    """What the data sheet answers, and what it leaves open; `unknown` where it answers nothing of these."""
    sheet = data.get("sheet") or {}
    told = [question for question in questions if sheet.get(question)]
    if not told:
        return f"{unknown}\n"
    parts = ["From the sheet of the data, as its makers filled it in:"]
    parts += [f"**{question}**\n\n{_quoted(sheet[question])}" for question in told]
    open_ = [question for question in questions if question not in told]
    parts += [f"Left open: {' '.join(open_)}"] if open_ else []
    return "\n\n".join(parts) + "\n"


def _quoted(answer: str) -> str:
    """As a quotation, so that no heading in it becomes one of the card."""
    return "\n".join(f"> {line}".rstrip() for line in answer.splitlines())


def _recipe(run: Mapping[str, Any]) -> list[str]:
    """Plain settings on one line, then one line a section; networks, data and origin have their own."""
    plain = {k: value for k, value in run.items() if not isinstance(value, Mapping) and k != "init_from"}
    parts: dict[str, Mapping[str, Any]] = {"run": plain} if plain else {}
    parts |= {
        key: value
        for key, value in run.items()
        if isinstance(value, Mapping) and key not in ("generator", "discriminator", "data")
    }
    used = {
        name: {"name": "none"} if values.get("name") == "none" else values for name, values in parts.items()
    }
    return [f"{name}: {', '.join(_settings(values))}" for name, values in used.items() if values]


def _phases(phases: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"From {phase['kimg']:g} kimg on: "
        + "; ".join(f"{c['field']} {c['old']} -> {c['new']}" for c in phase["changes"])
        for phase in phases
    ]


def _settings(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += _settings(value, f"{prefix}{key}.")
        else:
            found.append(f"{prefix}{key} {'none' if value is None else value}")
    return found


def last_scores(metrics: Sequence[Mapping[str, Any]], kimg: float) -> list[Mapping[str, Any]]:
    """The last record of each metric, convention, detector and data up to this kimg."""
    last: dict[tuple, Mapping[str, Any]] = {}
    for record in metrics:
        if (record.get("kimg") or 0) <= kimg:
            keys = ("label", "metric", "convention", "detector_sha256", "data_sha256")
            last[tuple(record.get(key) for key in keys)] = record
    return list(last.values())


def _scores(metrics: Sequence[Mapping[str, Any]], kimg: float) -> str:
    """A table of the last scores."""
    last = last_scores(metrics, kimg)
    if not last:
        return "None measured when this checkpoint was written.\n"
    rows = [
        "| metric | value | kimg | fakes | reals | convention | detector |",
        "|---|---|---|---|---|---|---|",
    ]
    for record in last:
        cells = (
            record.get("label") or record["metric"],
            "inf" if record["value"] is None else f"{record['value']:.5g}",
            record.get("kimg", "unknown"),
        )
        counts = (record.get("num_fake"), record.get("num_real"))
        detector = f"{record.get('detector') or 'none'} {(record.get('detector_sha256') or '')[:12]}".strip()
        detector += f" **{seen.MARK}**" if record.get("seen_by_d") else ""
        rows.append(f"| {' | '.join(map(str, (*cells, *counts, record.get('convention'), detector)))} |")
    return "\n".join(rows) + "\n"


def _loading(config: Mapping[str, Any]) -> str:
    c = ", c" if config["generator"].get("c_dim") else ""
    labels = f"c = gan.sampling.one_hot([0], {config['generator']['c_dim']})\n" if c else ""
    return (
        "```python\nimport gan\n\ngenerator = gan.load(FOLDER)  # the folder that holds this card\n"
        f"z = gan.latents.z_from_seeds([0], generator.z_dim)\n{labels}"
        f"image = generator(z{c})  # float32 [1, channels, rows, columns], about [-1, 1]\n```\n\n"
        "On the command line: `gan sample FOLDER --seeds 0-63 --out grid.png`.\n"
    )


def _bullets(lines: Sequence[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)
