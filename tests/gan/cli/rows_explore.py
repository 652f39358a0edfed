"""Rows of the table in test_options: of `gan explore` and `gan directions`."""

from pathlib import Path

from tests.gan.cli.rows import DEBUG, DEVICE, LAST, PLUGIN, SEED, Row, plain

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
    **plain("--tuned", "kept", "tuned", Path("kept")),
    **plain("--threads", "3", "threads", 3),
    **DEVICE,
    **PLUGIN,
    **DEBUG,
}

DIRECTIONS: dict[str, Row | str] = {
    "MODEL": Row(("other",), "model", "other"),
    **plain("--method", "pca", "method", "pca"),
    **plain("--out", "b.safetensors", "out", Path("b.safetensors")),
    **plain("--sheet", "b.png", "sheet", Path("b.png")),
    **plain("--count", "4", "count", 4),
    **plain("--space", "z", "space", "z"),
    **plain("--layers", "2-5", "layers", (2, 6)),
    **plain("--features", "b8", "features_of", "b8"),
    **plain("--samples", "70", "samples", 70),
    **plain("--score", "warmth", "scores", ("warmth",)),
    **plain("--labels", "a.csv", "labels", "a.csv"),
    **plain("--fit", "linear", "fit", "linear"),
    "--json": f"{LAST}directions_command.py::test_pca_of_a_layer_as_json",
    **DEVICE,
    **SEED,
    **PLUGIN,
    **DEBUG,
}
