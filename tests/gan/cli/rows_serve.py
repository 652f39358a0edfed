"""The rows of `gan serve` for the table in test_options."""

from pathlib import Path

from tests.gan.cli.rows import DEBUG, LAST, PLUGIN, Row, plain

JOBS = {
    "serve run": "gan.web.serve.running.run",
    "serve keys create": "gan.jobs.serving.administration.create",
    "serve keys list": "gan.jobs.serving.administration.overview",
    "serve keys revoke": "gan.jobs.serving.administration.revoke",
    "serve keys share": "gan.jobs.serving.administration.share",
    "serve audit verify": "gan.jobs.serving.audit.verify",
    "serve cost": "gan.jobs.serving.costs.measure",
}
BASES = {
    "serve run": ["model"],
    "serve keys create": ["me"],
    "serve keys revoke": ["me"],
    "serve cost": ["model"],
}
CONFIG = {"--config": Row(("--config", "a.yaml"), "path", Path("a.yaml"), job="gan.config.load_yaml")}
ROWS: dict[str, dict[str, Row | str]] = {
    "serve run": {
        "MODEL...": Row(("other",), "settings.models", ("other",)),
        "--config": Row(("--config", "a.yaml"), "path", Path("a.yaml"), job="gan.config.load_yaml"),
        **plain("--host", "0.0.0.0", "settings.host", "0.0.0.0"),
        **plain("--port", "8123", "settings.port", 8123),
        **plain("--state", "b", "settings.state", "b"),
        **plain("--device", "cpu", "settings.device", "cpu"),
        **plain("--workers", "3", "settings.workers", 3),
        **plain("--ray", "local", "settings.ray", "local"),
        **plain("--set", "queue=32", "settings.queue", 32),
        **PLUGIN,
        **DEBUG,
    },
    "serve keys create": {
        "NAME": Row(("you",), "name", "you"),
        "--attest-age": Row(("--attest-age",), "terms", "1"),
        "--terms": Row(("--terms", "2", "--attest-age"), "terms", "2"),
        **plain("--role", "verifier", "role", "verifier"),
        **plain("--days", "3", "days", 3.0),
        **plain("--per-minute", "9", "per_minute", 9),
        **plain("--per-day", "8", "per_day", 8),
        **plain("--state", "b", "state", "b"),
        **CONFIG,
        **DEBUG,
    },
    "serve keys list": {
        "--json": f"{LAST}serve.py::test_keys_as_json",
        **plain("--state", "b", "state", "b"),
        **CONFIG,
        **DEBUG,
    },
    "serve keys revoke": {
        "NAME": Row(("you",), "name", "you"),
        **plain("--state", "b", "state", "b"),
        **CONFIG,
        **DEBUG,
    },
    "serve keys share": {
        **plain("--state", "b", "state", "b"),
        **CONFIG,
        **DEBUG,
    },
    "serve audit verify": {
        **plain("--head", "ab", "known", "ab"),
        "--json": f"{LAST}serve.py::test_the_log_as_json",
        **plain("--state", "b", "folder", "b"),
        **DEBUG,
    },
    "serve cost": {
        "MODEL": Row(("other",), "settings.models", ("other",)),
        "--price-per-hour": f"{LAST}serve_cost.py::test_prices",
        "--price": f"{LAST}serve_cost.py::test_prices",
        **plain("--batch", "4", "batches", (4,)),
        **plain("--images", "32", "images", 32),
        "--utilisation": f"{LAST}serve_cost.py::test_prices",
        "--config": Row(("--config", "a.yaml"), "path", Path("a.yaml"), job="gan.config.load_yaml"),
        **plain("--set", "watermark=off", "settings.watermark", "off"),
        "--json": f"{LAST}serve_cost.py::test_as_json",
        **PLUGIN,
        **DEBUG,
    },
}
