"""The rows of `gan rate` for the table in test_options."""

from pathlib import Path

from tests.gan.cli.rows import DEBUG, LAST, Row, plain

REPORT = "gan.jobs.rating_report.report"
STUDY = ("study", "--report")
JOBS = {"rate": "gan.web.rate.pages.rate"}
BASES = {"rate": ["a", "b"]}
ROWS: dict[str, dict[str, Row | str]] = {
    "rate": {
        "SOURCE...|STUDY": Row(("other",), "asked.places", (Path("other"), Path("b")), base=("a", "b")),
        **plain("--kind", "quality", "asked.kind", "quality"),
        **plain("--out", "c", "asked.out", Path("c")),
        **plain("--real", "c", "asked.real", Path("c")),
        **plain("--raters", "3", "asked.raters", 3),
        **plain("--trials", "7", "asked.trials", 7),
        **plain("--catch", "2", "asked.catch", 2),
        **plain("--time-limit", "500", "asked.time_limit", 500),
        **plain("--device", "cpu", "asked.device", "cpu"),
        **plain("--seed", "5", "asked.seed", 5),
        **plain("--host", "0.0.0.0", "host", "0.0.0.0"),
        **plain("--port", "8123", "port", 8123),
        **plain("--token", "secret-of-the-test", "token", "secret-of-the-test"),
        "--report": Row(("--report",), "place", Path("study"), REPORT, ("study",)),
        "--cards": Row(("--cards",), "cards", True, REPORT, STUDY),
        "--json": f"{LAST}rate.py::test_a_report_as_text_and_as_json",
        **DEBUG,
    },
}
