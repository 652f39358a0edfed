"""The rows of `gan data` for the table in test_options."""

from pathlib import Path
from typing import Any

from tests.gan.cli.rows import DEBUG, LAST, OUT, SEED, Row, plain

JOBS = {
    "data openmoji": "gan.jobs.preparation.draw_openmoji",
    "data prepare": "gan.jobs.preparation.prepare",
    "data info": "gan.jobs.datasets.info",
    "data report": "gan.jobs.data_report.report",
    "data review": "gan.web.review.pages.review",
    "data verify": "gan.jobs.datasets.verify",
    "data merge": "gan.jobs.datasets.merge",
    "data subset": "gan.jobs.datasets.subset",
}
BASES = {
    "data prepare": ["in", "--out", "a.zip", "--resolution", "32"],
    "data info": ["a.zip"],
    "data report": ["a.zip"],
    "data review": ["a.zip"],
    "data verify": ["a.zip"],
    "data merge": ["a.zip", "--out", "c.zip"],
    "data subset": ["a.zip", "--out", "c.zip"],
}


def asked(option: str, text: str, argument: str, value: Any) -> dict[str, Row]:
    """A row of an option of the request of a preparation."""
    return plain(option, text, f"request.{argument}", value)


ROWS: dict[str, dict[str, Row | str]] = {
    "data openmoji": {
        **plain("--resolution", "64", "resolution", 64),
        **OUT,
        **plain("--workers", "3", "workers", 3),
        "--force": Row(("--force",), "force", True),
        "--json": f"{LAST}data.py::test_json_and_the_default_path",
        "--seed": "tests/gan/cli/test_options.py::test_a_seed_without_effect",
        **DEBUG,
    },
    "data report": {
        "X": Row(("other",), "place", Path("other")),
        **OUT,
        **DEBUG,
    },
    "data review": {
        "OUT|WORKDIR": Row(("other",), "place", Path("other")),
        **plain("--host", "0.0.0.0", "host", "0.0.0.0"),
        **plain("--port", "8123", "port", 8123),
        **plain("--token", "secret-of-the-test", "token", "secret-of-the-test"),
        **DEBUG,
    },
    "data prepare": {
        "SRC...": Row(("other",), "places", (Path("other"),)),
        **OUT,
        **asked("--resolution", "64x96", "form.height", 64),
        **asked("--channels", "1", "form.channels", 1),
        **asked("--crop", "wide", "form.crop", "wide"),
        **asked("--filter", "box", "form.filter", "box"),
        **asked("--background", "#010203", "form.background", (1, 2, 3)),
        **asked("--on", "blurred=drop", "on", ("blurred=drop",)),
        **asked("--labels", "folders", "labels", "folders"),
        **asked("--vectors", "a, b", "vectors", ("a", "b")),
        **asked("--provenance", "a.csv", "tables", (Path("a.csv"),)),
        **asked("--licence", "CC0", "licence", "CC0"),
        **asked("--require", "licence,source", "require", ("licence", "source")),
        **asked("--where", "width > 3", "where", "width > 3"),
        **asked("--val", "0.1", "val", 0.1),
        **asked("--copies", "exact", "copies", "exact"),
        **asked("--against", "b.zip", "against", Path("b.zip")),
        **asked("--blocklist", "b.txt", "blocklist", Path("b.txt")),
        "--content-filter": Row(("--content-filter",), "request.content_filter", True),
        "--features": Row(("--features",), "request.features", True),
        "--faces": Row(("--faces",), "request.faces", True),
        **plain("--workers", "3", "workers", 3),
        **plain("--ray", "local", "ray", "local"),
        **plain("--work", "w", "work", Path("w")),
        "--dry-run": Row(("--dry-run",), "dry_run", True),
        "--force": Row(("--force",), "force", True),
        "--json": f"{LAST}data_prepare.py::test_json",
        "--seed": "tests/gan/cli/test_options.py::test_a_seed_without_effect",
        **DEBUG,
    },
    "data info": {
        "DATA": Row(("b.zip",), "path", Path("b.zip")),
        "--json": f"{LAST}data_prepare.py::test_info",
        **DEBUG,
    },
    "data verify": {
        "DATA": Row(("b.zip",), "path", Path("b.zip")),
        "--full": Row(("--full",), "full", True),
        "--json": f"{LAST}data_prepare.py::test_verify",
        **DEBUG,
    },
    "data merge": {
        "DATA...": Row(("b.zip",), "paths", (Path("b.zip"),)),
        **OUT,
        "--force": Row(("--force",), "force", True),
        "--json": f"{LAST}data_prepare.py::test_merge_and_subset",
        "--seed": "tests/gan/cli/test_options.py::test_a_seed_without_effect",
        **DEBUG,
    },
    "data subset": {
        "DATA": Row(("b.zip",), "path", Path("b.zip")),
        **OUT,
        **plain("--classes", "a, b", "classes", ("a", "b")),
        **plain("--count", "3", "count", 3),
        **plain("--where", "width > 3", "condition", "width > 3"),
        "--force": Row(("--force",), "force", True),
        "--json": f"{LAST}data_prepare.py::test_merge_and_subset",
        **SEED,
        **DEBUG,
    },
}
