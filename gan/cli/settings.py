"""Options that set one setting of a run, and `--set` for all others: as one list of assignments."""

import json
from typing import Any

import click

from gan.cli.common import MAX_SEED
from gan.errors import UsageError

_KEY = "gan.settings"  # in the meta of a click context: {setting: (option, value)}


def to_setting(key: str) -> dict[str, Any]:
    """What makes of a click option one whose value, where one is typed, becomes the setting `key`:

    @click.option("--kimg", **to_setting("kimg"), type=float)
    """

    def keep(context: click.Context, option: click.Parameter, value: Any) -> None:
        if value not in (None, ()):
            context.meta.setdefault(_KEY, {})[key] = (option.opts[0], value)

    return {"expose_value": False, "callback": keep}


set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    expose_value=False,
    callback=lambda context, _, values: context.meta.__setitem__("gan.assignments", values),
    help="Override one setting, such as optimizer_g.lr=0.001; repeatable.",
)


seed_setting = click.option(
    "--seed",
    **to_setting("seed"),
    type=click.IntRange(0, MAX_SEED),
    help="Of everything random.  [default: from the preset: 0]",
)


def typed(context: click.Context, key: str) -> Any:
    """What was typed for a setting by its own option, None where it was left out."""
    return context.meta.get(_KEY, {}).get(key, (None, None))[1]


def typed_settings(context: click.Context) -> list[str]:
    """Everything that was typed, as assignments for `gan.config.override`.

    Raises UsageError where an option and --set give one setting two values, and for --freeze-d without a
    model whose layers could be kept.
    """
    from gan.config import assignment

    options = context.meta.get(_KEY, {})
    for item in (assignments := list(context.meta.get("gan.assignments", ()))):
        key, _, text = item.partition("=")
        if (given := options.get(key.strip())) and text.strip() not in (str(given[1]), json.dumps(given[1])):
            raise UsageError(f"{given[0]} {given[1]} and --set {item} differ: leave out one of them")
    names = {*options, *(item.partition("=")[0].strip() for item in assignments)}
    if typed(context, "discriminator.freeze_layers") and "init_from" not in names:
        raise UsageError(
            "--freeze-d keeps layers of a trained discriminator: name its model with --init-from"
        )
    return [*(assignment(key, value) for key, (_, value) in options.items()), *assignments]
