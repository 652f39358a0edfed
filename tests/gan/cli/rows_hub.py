"""The rows of `gan push`, `gan data push` and `gan space` for the table in test_options."""

from pathlib import Path

from tests.gan.cli.rows import DEBUG, LAST, PLUGIN, Row, plain

JOBS = {
    "push": "gan.jobs.pushing.push",
    "data push": "gan.jobs.data_pushing.push",
    "space": "gan.jobs.space.write",
}
BASES = {
    "push": ["model", "user/name"],
    "data push": ["a.zip", "user/name"],
    "space": ["model", "--out", "a"],
}
ROWS: dict[str, dict[str, Row | str]] = {
    "push": {
        "MODEL": Row(("other",), "model", "other"),
        "USER/NAME": Row(("model", "user/other"), "name", "user/other", base=("model",)),
        "--private": Row(("--private",), "private", True),
        **plain("--revision", "small", "revision", "small"),
        "--space": Row(("--space",), "space", True),
        "--dry-run": Row(("--dry-run",), "dry_run", True),
        "--json": f"{LAST}push.py::test_as_json",
        **PLUGIN,
        **DEBUG,
    },
    "data push": {
        "DATA": Row(("b.zip",), "data", Path("b.zip")),
        "USER/NAME": Row(("a.zip", "user/other"), "name", "user/other", base=("a.zip",)),
        **plain("--licence", "CC0-1.0", "licence", "CC0-1.0"),
        "--private": Row(("--private",), "private", True),
        **plain("--revision", "small", "revision", "small"),
        "--force": Row(("--force",), "force", True),
        "--dry-run": Row(("--dry-run",), "dry_run", True),
        "--json": f"{LAST}data_push.py::test_as_json",
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
