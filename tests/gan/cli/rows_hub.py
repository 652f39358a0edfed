"""The rows of `gan push` and `gan space` for the table in test_options."""

from pathlib import Path

from tests.gan.cli.rows import DEBUG, LAST, PLUGIN, Row, plain

JOBS = {"push": "gan.models.hub.push_to_hub", "space": "gan.jobs.space.write"}
BASES = {"push": ["model", "user/name"], "space": ["model", "--out", "a"]}
ROWS: dict[str, dict[str, Row | str]] = {
    "push": {
        "MODEL": Row(("other",), "model", "other"),
        "USER/NAME": Row(("model", "user/other"), "name", "user/other", base=("model",)),
        "--private": Row(("--private",), "private", True),
        **plain("--revision", "small", "revision", "small"),
        "--dry-run": Row(("--dry-run",), "dry_run", True),
        "--json": f"{LAST}push.py::test_as_json",
        **PLUGIN,
        **DEBUG,
    },
    "space": {
        "MODEL": Row(("other",), "model", "other"),
        **plain("--out", "b", "out", Path("b")),
        **plain("--name", "hf://user/name", "name", "hf://user/name"),
        **plain("--title", "Glyphs", "title", "Glyphs"),
        **DEBUG,
    },
}
