"""gan evaluate: a tiny model and a folder of images against a tiny data set."""

import json
import re
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from gan.cli import evaluate
from gan.cli.main import main
from gan.jobs import scoring
from gan.jobs.scoring import format_table
from metrics import METRICS

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*covariance is singular"),  # 40 images are few
    pytest.mark.usefixtures("own_cache"),
]
UNTRAINED = ("--metrics", "fd-untrained", "--num-fakes", "70")


def run(*arguments: object) -> Result:
    """`gan evaluate` with these arguments."""
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def records_of(result: Result) -> list[dict]:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_model_gives_a_record_and_adds_it_to_the_run(run_folder, tiny_zip, dataset):
    (record,) = records_of(run("--model", run_folder, "--data", tiny_zip, *UNTRAINED, "--json"))
    assert record["metric"] == "fd-untrained" and record["value"] > 0
    assert (record["num_fake"], record["num_real"], record["kimg"], record["seed"]) == (70, 40, 12.0, 0)
    assert record["data_sha256"] == dataset.sha256
    one = run_folder / "checkpoints" / "000012"
    assert run("--model", one, "--data", tiny_zip, *UNTRAINED, "--seed", 5).exit_code == 0
    first, second = map(json.loads, (run_folder / "metrics.jsonl").read_text().splitlines())
    assert first == record and second["seed"] == 5 and second["value"] != record["value"]


def test_table_and_warning(run_folder, tiny_zip):
    result = run("--model", run_folder, "--data", tiny_zip, *UNTRAINED)
    assert result.stdout.startswith("fd-untrained[70-full]  ") and result.stdout.count("\n") == 1
    assert result.stdout.endswith("  (70 fakes vs 40 reals, 32px-bicubic-antialias-unbiased)\n")
    assert result.stderr == (
        "gan: warning: 40 real images for 64 features: the covariance is singular "
        "and the distance biased upward; to quote a number take more than 64 images\n"
    )


def test_images_in_one_array_and_files_left_out(tiny_zip, dataset, tmp_path):
    """An array of the images of a set scores as the set; what is no image is told once, on stderr."""
    pixels = np.stack([dataset.image(i).transpose(1, 2, 0) for i in range(40)])
    np.savez(tmp_path / "samples.npz", pixels)
    with zipfile.ZipFile(tiny_zip) as archive:
        archive.extractall(tmp_path / "real")
    for name in ("a.gif", "b.gif"):
        (tmp_path / "real" / name).write_bytes(b"")
    command = ("--data", tmp_path / "real", "--metrics", "fd-untrained", "--json", "--images")
    result = run(*command, tmp_path / "samples.npz")
    assert records_of(result) == records_of(run(*command, tiny_zip))
    assert f"gan: warning: {tmp_path / 'real'}: 2 files are left out, 2 .gif: convert them" in result.stderr
    assert result.stderr.count("left out") == 1


def test_images_against_data(tiny_zip, tmp_path):
    """The set scores about 0 against itself, and worse with half of it missing."""
    with zipfile.ZipFile(tiny_zip) as archive:
        archive.extractall(tmp_path / "shown")
    command = ("--images", tmp_path / "shown", "--data", tiny_zip, "--metrics", "fd-untrained", "--json")
    (whole,), (half,) = records_of(run(*command)), records_of(run(*command, "--num-fakes", 20))
    assert whole["seed"] is None and whole["kimg"] is None
    assert (whole["num_fake"], half["num_fake"]) == (40, 20)
    assert whole["value"] == pytest.approx(0, abs=1e-5) and half["value"] > 1e-3


def test_another_size_is_said(tiny_zip, tmp_path):
    Image.new("RGB", (8, 12)).save(tmp_path / "0.png")
    Image.new("RGB", (8, 12), "red").save(tmp_path / "1.png")
    result = run("--images", tmp_path, "--data", tiny_zip, "--metrics", "fd-untrained")
    assert result.exit_code == 0
    assert f"the fakes are 12x8, {tiny_zip} is 16x16: resizing alone" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--images", "x", "--metrics", "fd-untraned"], 2, "did you mean 'fd-untrained'?"),
        ([], 2, "one of --model and --images"),
        (["--images", "x", "--model", "y"], 2, "one of --model and --images"),
        (["--images", "x", "--psi", "0.5"], 2, "--psi 0.5 needs --model"),
        (["--images", "x", "--seed", "5"], 2, "--seed 5 needs --model"),
        (["--images", "x", "--batch", "5"], 2, "--batch 5 needs --model"),
        (["--model", "x", "--convention", "NV"], 2, "unknown convention 'NV'"),
        (["--model", "x", "--seed", "4294967296"], 2, "4294967296 is not in the range 0<=x<=4294967295"),
        (["--images", "x", "--device", "abacus"], 2, "--device abacus"),
        (["--model", "nowhere"], 1, "nowhere"),
    ],
)
def test_mistakes_are_one_line(arguments, code, words, tiny_zip):
    result = run("--data", tiny_zip, *arguments)
    assert result.exit_code == code
    assert words in result.stderr and result.stderr.count("\n") == 1 and not result.stdout


def test_the_batch_that_help_names_is_that_of_scoring():
    assert evaluate.BATCH == scoring.BATCH


def test_list_names_every_metric_and_needs_nothing_else():
    result = run("--list")
    assert result.exit_code == 0
    assert {line.partition(" ")[0] for line in result.stdout.splitlines()} >= METRICS.keys()


def test_precision_is_recorded_and_cached_apart(run_folder, tiny_zip, tmp_path):
    command = ("--model", run_folder, "--data", tiny_zip, "--metrics", "fd-untrained", "--json")
    command = (*command, "--num-fakes", 40)
    (first,), (half,), (again,) = (
        records_of(run(*command, *more)) for more in ((), ("--precision", "bf16", "--psi", 0.9), ())
    )
    assert (first["detector"], half["detector"]) == ("untrained", "untrained-bf16") and again == first
    assert half["label"] == "fd-untrained[40-full-psi0.9-bf16]" and half["convention"].endswith("-bf16")
    assert half["value"] != first["value"] and half["detector_sha256"] == first["detector_sha256"]
    assert len(list((tmp_path / "cache" / "statistics").iterdir())) == 2


def numbers(text, pattern):
    """Those in the places of VALUE."""
    (found,) = re.findall(re.escape(pattern).replace("VALUE", r"([-\d.]+)"), text)
    return [float(number) for number in found]


def approx(values):
    return pytest.approx(values, rel=5e-4)  # four digits


def test_interval_is_printed(run_folder, tiny_zip):
    (record,) = records_of(
        run("--model", run_folder, "--data", tiny_zip, *UNTRAINED, "--intervals", "--json")
    )
    low, high = record["interval"]
    assert low < record["corrected"] < high and record["standard_error"] > 0
    wanted = [record["value"], record["corrected"], low, high]
    assert numbers(format_table([record]), "VALUE, without bias VALUE [VALUE to VALUE]") == approx(wanted)
    plain = format_table([{**record, "corrected": record["value"]}])
    assert numbers(plain, "VALUE [VALUE to VALUE]") == approx([record["value"], low, high])


def test_report_shows_copies_first(tiny_zip, run_folder, tmp_path, monkeypatch):
    """Images of the data set itself are copies; those of an untrained model are not."""
    monkeypatch.setattr("gan.jobs.copies.NETWORK", "untrained")
    page, other = tmp_path / "copies.html", tmp_path / "model.html"
    shown = ("--images", tiny_zip, "--data", tiny_zip, *UNTRAINED[:2], "--num-fakes", 30)
    assert run(*shown, "--report", page).exit_code == 0
    assert run("--model", run_folder, "--data", tiny_zip, *UNTRAINED, "--report", other).exit_code == 0
    text = page.read_text()
    assert "30 fakes against 40 real images" in text and " 0.0 % of the fakes" in text
    assert text.count("<img") == 24 * 4 and text.count(": 0.000</p></li>") == 24
    assert "70 fakes against" in other.read_text() and ": 0.000</p></li>" not in other.read_text()


def test_scores_are_printed_before_a_page_that_cannot_be_written(tiny_zip, tmp_path, monkeypatch):
    monkeypatch.setattr("gan.jobs.copies.NETWORK", "untrained")
    (tmp_path / "file").touch()
    shown = ("--images", tiny_zip, "--data", tiny_zip, *UNTRAINED[:2])
    result = run(*shown, "--report", tmp_path / "file" / "page.html")
    assert result.exit_code == 1 and str(tmp_path / "file") in result.stderr
    assert result.stdout.startswith("fd-untrained[40-full]  ") and result.stdout.count("\n") == 1


@pytest.mark.parametrize("names", ["ms-ssim,fd-untrained", "fd-untrained,ms-ssim"])
def test_scores_that_worked_are_printed_and_kept_where_another_fails(names, run_folder, tiny_zip, tmp_path):
    """Images of 8 pixels are too small for MS-SSIM."""
    for index in range(12):
        Image.new("RGB", (8, 8), (20 * index, 0, 0)).save(tmp_path / f"{index}.png")
    command = ("--data", tmp_path, "--metrics", names)
    result = run(*command, "--images", tmp_path)
    assert result.exit_code == 1 and "error: ms-ssim: need two batches of images of at least" in result.stderr
    assert result.stdout.startswith("fd-untrained[12-full]") and result.stdout.count("\n") == 1
    result = run(*command, "--model", run_folder, "--num-fakes", 12, "--json")
    assert result.exit_code == 1 and not result.stderr.count("Traceback")
    written = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    assert json.loads(result.stdout) == written and [r["metric"] for r in written] == ["fd-untrained"]


def test_a_folder_of_mixed_sizes_and_colours_is_scored(tiny_zip, tmp_path):
    """Against itself the distance is 0; scores of pairs, which need one size, say so."""
    for index in range(70):
        size, mode = ((16, 16), (24, 10))[index % 2], ("RGB", "L", "RGBA")[index % 3]
        noise = np.random.default_rng(index).integers(0, 256, (size[1], size[0], 4), np.uint8)
        Image.fromarray(noise, "RGBA").convert(mode).save(tmp_path / f"{index:02}.png")
    command = ("--images", tmp_path, "--data", tmp_path, "--metrics")
    (record,) = records_of(run(*command, "fd-untrained", "--json"))
    assert record["value"] == pytest.approx(0, abs=1e-5) and record["num_real"] == record["num_fake"] == 70
    (other,) = records_of(
        run("--images", tmp_path, "--data", tiny_zip, *command[4:], "fd-untrained", "--json")
    )
    assert other["value"] > 1
    result = run(*command, "ms-ssim")
    assert result.exit_code == 1 and "ms-ssim: images of one size and colour are compared" in result.stderr
