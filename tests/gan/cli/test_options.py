"""Every option of every command reaches the function that does the work, or its test is named here.

A row is typed behind a complete command; the argument of the job must then have the row's value, and another
one without the row. An option without a row, and a row without an option, fail by name.
"""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner

from gan.cli.main import COMMANDS, main
from gan.errors import UserError
from tests.gan.cli import rows_data, rows_explore, rows_hub, rows_marks, rows_rate, rows_serve
from tests.gan.cli.rows import DEBUG, DEVICE, LAST, OUT, PLUGIN, SEED, Row, plain, setting
from tests.gan.cli.rows_sample import SAMPLE
from tests.pointers import missing

ROOMS = (rows_data, rows_serve, rows_marks, rows_hub, rows_rate)  # files of commands that belong together


def together(table):
    """What those files have under that name."""
    return {key: value for room in ROOMS for key, value in getattr(room, table).items()}


JOBS = {  # command -> the function that it calls
    **together("JOBS"),
    "train": "gan.jobs.training.train",
    "tune": "gan.jobs.tuning.tune",
    "sample": "gan.jobs.sampling.draw",
    "directions": "gan.jobs.directions.find",
    "project": "gan.jobs.projecting.project",
    "evaluate": "gan.jobs.evaluation.evaluate_model",
    "explore": rows_explore.JOB,
    "compare": "gan.jobs.comparison.compare",
    "stats": "gan.jobs.statistics.save",
    "report": "gan.jobs.reporting.report",
    "convert": "gan.models.importing.snapshot.convert",
    "export": "gan.jobs.exporting.export_model",
    "demo": "gan.jobs.demo.run_demo",
    "ops bench": "ops.bench.measure",
    "ops build": "ops.build.build",
}
BASES = {  # what a complete command needs; a positional argument comes first
    **together("BASES"),
    "tune": ["--data", "a.zip"],
    "sample": ["model", "--out", "a.png"],
    "directions": ["model", "--method", "sefa", "--out", "a.safetensors"],
    "project": ["model", "a.png", "--out", "a"],
    "explore": rows_explore.BASE,
    "evaluate": ["--model", "model", "--data", "a.zip"],
    "compare": ["model", "other", "--data", "a.zip"],
    "stats": ["a.zip", "--out", "a.npz"],
    "report": ["run"],
    "convert": ["a.pkl", "--out", "a"],
    "export": ["model", "--format", "torch-export", "--out", "a.pt2"],
    "ops bench": ["--device", "cpu"],
}


DETECTOR = {
    "--detector": Row(("--detector", "a.py:b"), "text", "a.py:b", job="metrics.networks.detectors.load"),
}
STATS = ("--convention", "--weights", "--precision", "--device")
ROWS: dict[str, dict[str, Row | str]] = {
    **together("ROWS"),
    "train": {
        **plain("--data", "b.zip", "data", "b.zip"),
        **plain("--preset", "stylegan2-tiny", "config", "stylegan2-tiny"),
        **OUT,
        **setting("--kimg", "7", "kimg=7.0"),
        **setting("--batch", "6", "batch=6"),
        **setting("--micro-batch", "auto", 'micro_batch="auto"'),
        **setting("--precision", "bf16", 'precision="bf16"'),
        **setting("--set", "loss.r1_gamma=3", "loss.r1_gamma=3"),
        **plain("--resume", "auto", "resume", "auto"),
        "--accept-change": Row(("--accept-change", "--resume", "auto"), "accept_change", True),
        **setting("--init-from", "model", 'init_from="model"'),
        **setting("--freeze-d", "2", "discriminator.freeze_layers=2", "--init-from", "model"),
        **plain("--metrics", "fd-untrained", "metrics", ["fd-untrained"]),
        **setting("--metrics-ticks", "3", "metrics_ticks=3", "--metrics", "fd-untrained"),
        "--metrics-fakes": Row(("--metrics-fakes", "9", "--metrics", "fd-untrained"), "metrics_fakes", 9),
        **plain("--max-minutes", "2.5", "max_minutes", 2.5),
        **setting("--held-out", "b.zip", 'data.held_out="b.zip"'),
        **setting("--stop-when", "stalled", 'stop.when=["stalled"]'),
        **setting("--on-collapse", "stop", 'health.on_collapse="stop"'),
        **plain("--wandb", "offline", "wandb", "offline"),
        "--report": "tests/gan/web/test_live_report.py::test_the_command_says_where_it_is",
        **DEVICE,
        "--dry-run": f"{LAST}train.py::test_dry_run_prints_a_config_that_loads",
        **setting("--seed", "5", "seed=5"),
        **PLUGIN,
        **DEBUG,
    },
    "tune": {
        **plain("--data", "b.zip", "data", "b.zip"),
        **plain("--preset", "stylegan2-tiny", "preset", "stylegan2-tiny"),
        **OUT,
        **plain("--gammas", "0.1,1", "gammas", (0.1, 1.0)),
        **plain("--lrs", "0.1,0.2", "lrs", (0.1, 0.2)),
        **plain("--pilot-kimg", "3", "pilot_kimg", 3.0),
        **plain("--budget", "7", "minutes", 7.0),
        **plain("--metric", "fd-untrained", "metric", "fd-untrained"),
        **plain("--num-fakes", "9", "num_fakes", 9),
        **setting("--set", "loss.r2=true", "loss.r2=true"),
        **DEVICE,
        "--json": f"{LAST}tune.py::test_a_search_writes_a_preset_that_trains",
        **setting("--seed", "5", "seed=5"),
        **PLUGIN,
        **DEBUG,
    },
    "sample": SAMPLE,
    "directions": rows_explore.DIRECTIONS,
    "explore": rows_explore.ROWS,
    "evaluate": {
        **plain("--model", "other", "model", "other"),
        "--images": Row(
            ("--images", "b"), "images", "b", "gan.jobs.evaluation.evaluate_images", ("--data", "a.zip")
        ),
        **plain("--data", "b.zip", "data", "b.zip"),
        **plain("--metrics", "kid, fid", "metrics", ["kid", "fid"]),
        **plain("--convention", "clean", "convention", "clean"),
        **plain("--weights", "dinov2=w.pth", "weights", ("dinov2=w.pth",)),
        **DETECTOR,
        **plain("--num-fakes", "9", "num_fakes", 9),
        **plain("--num-reals", "8", "num_reals", 8),
        **plain("--sample-seed", "5", "sampler.seed", 5),
        "--stratified": Row(("--stratified",), "sampler.stratified", True),
        **plain("--batch", "7", "batch", 7),
        **plain("--precision", "bf16", "precision", "bf16"),
        **plain("--psi", "0.5", "psi", 0.5),
        "--intervals": Row(("--intervals",), "intervals", True),
        **plain("--report", "page.html", "report", Path("page.html")),
        "--json": f"{LAST}evaluate.py::test_model_gives_a_record_and_adds_it_to_the_run",
        "--list": f"{LAST}evaluate.py::test_list_names_every_metric_and_needs_nothing_else",
        **DEVICE,
        **SEED,
        **PLUGIN,
        **DEBUG,
    },
    "project": {
        "MODEL": Row(("other",), "model", "other"),
        "IMAGE...": Row(("model", "b.png", "c"), "images", ("b.png", "c"), base=("model", "--out", "a")),
        **OUT,
        **plain("--space", "pti", "space", "pti"),
        **plain("--distance", "pixels", "perceptual", "pixels"),
        **plain("--weights", "vgg16=w.pth", "weights", ("vgg16=w.pth",)),
        **plain("--steps", "7", "settings.steps", 7),
        **plain("--start", "best", "settings.start", "best"),
        **plain("--noise", "fitted", "settings.noise", "fitted"),
        **plain("--patience", "9", "settings.patience", 9),
        **plain("--tune-steps", "8", "tuning.steps", 8),
        **plain("--tune-rate", "0.5", "tuning.learning_rate", 0.5),
        **plain("--class", "dog", "labels", "dog"),
        **plain("--condition", "0.5,-1", "labels", [[0.5, -1.0]]),
        **plain("--crop", "face", "crop", "face"),
        **plain("--batch", "3", "batch", 3),
        **plain("--video", "gif", "film", "gif"),
        **plain("--nearest", "b.zip", "nearest", "b.zip"),
        **plain("--neighbours", "3", "count", 3),
        "--json": f"{LAST}project.py::test_a_report_as_json",
        **DEVICE,
        **plain("--seed", "5", "settings.seed", 5),
        **PLUGIN,
        **DEBUG,
    },
    "stats": {
        "DATA": Row(("b",), "images", "b", job="gan.jobs.evaluation.opened"),
        "--metric": f"{LAST}stats.py::test_a_file_stands_for_the_data",
        "--out": f"{LAST}stats.py::test_a_file_stands_for_the_data",
        "--name": f"{LAST}stats.py::test_a_named_set",
        "--features": f"{LAST}stats.py::test_features_are_kept_where_asked_for",
        **dict.fromkeys(STATS, f"{LAST}stats.py::test_options_reach_the_job"),
        **DETECTOR,
        "--json": f"{LAST}stats.py::test_a_file_stands_for_the_data",
        **PLUGIN,
        **DEBUG,
    },
    "compare": {
        "A": Row(("new",), "a", "new"),
        "B": Row(("model", "new"), "b", "new", base=("model", "--data", "a.zip")),
        **plain("--data", "b.zip", "data", "b.zip"),
        **plain("--metrics", "kid, fid", "metrics", ["kid", "fid"]),
        **plain("--convention", "clean", "convention", "clean"),
        **plain("--weights", "dinov2=w.pth", "weights", ("dinov2=w.pth",)),
        **DETECTOR,
        **plain("--num-fakes", "99", "num_fakes", 99),
        **plain("--num-reals", "98", "num_reals", 98),
        **plain("--sample-seed", "5", "sampler.seed", 5),
        "--stratified": Row(("--stratified",), "sampler.stratified", True),
        **plain("--batch", "7", "batch", 7),
        **plain("--precision", "bf16", "precision", "bf16"),
        **plain("--psi", "0.5", "psi", 0.5),
        **plain("--report", "page.html", "report", Path("page.html")),
        "--json": f"{LAST}compare.py::test_data_itself_is_better_than_noise",
        **DEVICE,
        **SEED,
        **PLUGIN,
        **DEBUG,
    },
    "report": {
        "RUN...": Row(("other", "more"), "runs", (Path("other"), Path("more"))),
        **plain("--out", "b", "out", Path("b")),
        **plain("--nearest", "9", "nearest", 9),
        **DEBUG,
    },
    "convert": {
        "FILE": Row(("b.pkl",), "path", Path("b.pkl")),
        **OUT,
        **plain("--licence", "CC0", "licence", "CC0"),
        "--json": "tests/gan/models/test_importing.py::test_the_licence_is_noted_and_results_are_json",
        **DEBUG,
    },
    "export": {
        "MODEL": Row(("other",), "model", "other"),
        **plain("--format", "onnx", "format", "onnx"),
        **OUT,
        **plain("--noise", "input", "noise", "input"),
        **plain("--seeds", "8", "seeds", "8"),
        "--json": f"{LAST}export.py::test_a_program_a_card_and_json",
        **PLUGIN,
        **DEBUG,
    },
    "demo": {
        **OUT,
        **plain("--data", "b.zip", "config.data.path", "b.zip"),
        **plain("--minutes", "3", "minutes", 3.0),
        "--fresh": Row(("--fresh",), "fresh", True),
        **plain("--seed", "5", "config.seed", 5),
        **DEBUG,
    },
    "ops bench": {
        "--device": Row(("--device", "abacus"), "name", "abacus", job="gan.devices.pick"),
        **plain("--dtype", "float16", "dtype", torch.float16),
        "--threads": Row(("--threads", "3"), "0", 3, "torch.set_num_threads", ("--only", "no operator")),
        **plain("--batch", "2", "batch", 2),
        **plain("--repeats", "3", "repeats", 3),
        **plain("--only", "up", "only", "up"),
        "--json": f"{LAST}ops.py::test_timings_as_json",
        **DEBUG,
    },
    "ops build": {
        "--cuda": f"{LAST}ops.py::test_build_for_cuda",
        "--force": Row(("--force",), "force", True),
        **DEBUG,
    },
    "ops status": {"--json": f"{LAST}ops.py::test_status_of_the_real_kernels", **DEBUG},
    "doctor": {"--json": f"{LAST}doctor.py::test_healthy", **DEBUG},
}
TABLE = [(command, option, row) for command, rows in ROWS.items() for option, row in rows.items()]
TYPED = [item for item in TABLE if isinstance(item[2], Row)]
NAMED = [item for item in TABLE if isinstance(item[2], str)]


def parameters(name: str, command: click.Command) -> Iterator[tuple[str, str]]:
    """(command, option) of a command and those within; a positional argument by its metavar."""
    for inner, sub in getattr(command, "commands", {}).items():
        yield from parameters(f"{name} {inner}", sub)
    for param in command.params:
        yield name, param.opts[0] if isinstance(param, click.Option) else param.human_readable_name


def test_every_option_has_a_row_and_every_row_an_option():
    entries = [(name, entry) for name, entry in COMMANDS.items() if entry.module.startswith("gan.cli.")]
    found = {p for name, e in entries for p in parameters(name, importlib.import_module(e.module).command)}
    rows = {(command, option) for command, option, _ in TABLE}
    assert sorted(found - rows) == [], "options without a row"
    assert sorted(rows - found) == [], "rows without an option"


@pytest.mark.parametrize(("command", "option", "node"), NAMED, ids=lambda value: str(value).replace(" ", "-"))
def test_named_tests_exist(command, option, node):
    assert not missing(node), node


@pytest.fixture
def call(monkeypatch):
    """call(command, typed, job): the arguments by name with which the job was called; {} if it was not."""

    def invoke(command: str, typed: list[str], job: str) -> dict[str, Any]:
        module, _, name = job.rpartition(".")
        real, seen = getattr(importlib.import_module(module), name), {}

        def spy(*args: Any, **options: Any) -> None:
            try:
                bound = inspect.signature(real).bind(*args, **options)
                bound.apply_defaults()
                seen.update(bound.arguments)
            except ValueError:  # a builtin has no signature
                seen.update({str(i): value for i, value in enumerate(args)})
            raise UserError("called")

        with monkeypatch.context() as patch:
            patch.setattr(job, spy)
            result = CliRunner().invoke(main, [*command.split(), *typed])
        assert not seen or result.stderr.startswith("gan: error: called"), result.stderr
        return seen

    return invoke


def value_of(arguments: dict[str, Any], name: str) -> Any:
    """The argument of that dotted name; None if there is none."""
    first, *rest = name.split(".")
    value = arguments.get(first)
    for part in rest:
        value = getattr(value, part)
    return value.tolist() if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize(("command", "option", "row"), TYPED, ids=[f"{c} {o}" for c, o, _ in TYPED])
def test_an_option_reaches_the_job(command, option, row, call):
    job, base = row.job or JOBS[command], list(BASES.get(command, []) if row.base is None else row.base)
    typed = [*base, *row.typed] if option.startswith("-") else [*row.typed, *base[1:]]
    without, found = (value_of(call(command, line, job), row.argument) for line in (base, typed))
    if row.argument == "overrides":
        assert row.value in found and row.value not in without
    else:
        assert found == row.value and without != row.value


@pytest.mark.parametrize("command", ["data openmoji", "data prepare", "data merge"])
def test_a_seed_without_effect(command, call):
    """Its help says so: nothing is drawn at random."""
    job, base = JOBS[command], BASES.get(command, [])
    assert call(command, [*base, "--seed", "5"], job) == call(command, base, job) != {}
