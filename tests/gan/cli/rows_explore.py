"""Rows of the table in test_options of `gan explore`."""

from pathlib import Path

from tests.gan.cli.rows import DEBUG, DEVICE, LAST, PLUGIN, Row, plain

JOB = "gan.web.explore.pages.explore"
BASE = ["model"]
ROWS: dict[str, Row | str] = {
    "MODEL": Row(("other",), "places", [Path("other")]),
    "MODEL2": Row(("model", "second"), "places", [Path("model"), Path("second")]),
    **plain("--data", "b.zip", "data", "b.zip"),
    **plain("--directions", "d.safetensors", "directions", "d.safetensors"),
    **plain("--host", "0.0.0.0", "host", "0.0.0.0"),
    **plain("--port", "8123", "port", 8123),
    **plain("--token", "secret-of-the-test", "token", "secret-of-the-test"),
    "--no-browser": f"{LAST}explore.py::test_a_browser_is_opened_where_there_is_a_display",
    **plain("--threads", "3", "threads", 3),
    **DEVICE,
    **PLUGIN,
    **DEBUG,
}
