"""The rows of `gan mark`, `gan verify` and `gan serve certificate` for the table in test_options."""

from pathlib import Path

from tests.gan.cli.rows import DEBUG, LAST, OUT, Row, plain

JOBS = {
    "mark": "gan.jobs.marking_files.mark",
    "verify": "gan.jobs.verifying.verify_files",
    "serve certificate create": "gan.jobs.serving.administration.make_certificate",
}
BASES = {
    "mark": ["a.png", "--out", "a"],
    "verify": ["a.png"],
    "serve certificate create": ["--name", "Me"],
}
ROWS: dict[str, dict[str, Row | str]] = {
    "mark": {
        "IMAGE...": Row(("b.png", "c.png"), "images", (Path("b.png"), Path("c.png"))),
        **OUT,
        **plain("--model", "run", "model", "run"),
        **plain("--state", "b", "state", "b"),
        "--json": f"{LAST}marks.py::test_marking_as_json",
        **DEBUG,
    },
    "verify": {
        "IMAGE...": Row(("b.png", "c.png"), "images", (Path("b.png"), Path("c.png"))),
        **plain("--state", "b", "state", "b"),
        "--json": f"{LAST}marks.py::test_verdicts_as_json",
        **DEBUG,
    },
    "serve certificate create": {
        **plain("--name", "You", "name", "You"),
        **plain("--days", "9", "days", 9.0),
        **plain("--state", "b", "state", "b"),
        **DEBUG,
    },
}
