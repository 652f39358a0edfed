"""gan evaluate: a tiny model and a folder of images against a tiny data set."""

import json
import zipfile

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from gan import config
from gan.cli.main import main
from gan.errors import UserError
from gan.jobs.scoring import DatasetImages, format_table, score
from gan.models import checkpoint
from gan.networks.stylegan2 import DiscriminatorConfig, GeneratorConfig, MappingConfig
from metrics import METRICS
from training.data.archive import open_dataset

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")  # 40 images are few
UNTRAINED = ("--metrics", "fd-untrained", "--num-fakes", "70")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def dataset(tiny_zip):
    dataset = open_dataset(tiny_zip)
    yield dataset
    dataset.close()


def generator_config(c_dim: int = 0) -> GeneratorConfig:
    mapping = MappingConfig(layers=2)
    return GeneratorConfig(
        resolution=16, z_dim=8, w_dim=8, c_dim=c_dim, channel_base=128, channel_max=8, mapping=mapping
    )


@pytest.fixture
def run_folder(tmp_path):
    """A run directory with one checkpoint, as training leaves it."""
    generator = generator_config()
    discriminator = DiscriminatorConfig(resolution=16, channel_base=128, channel_max=8)
    data = {
        "kimg": 12.0,
        "generator": config.to_dict(generator),
        "discriminator": config.to_dict(discriminator),
        "run": {},
        "data": {"name": "tiny", "sha256": "", "classes": [], "licence": None},
    }
    folder = tmp_path / "runs" / "00000-demo-tiny"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text("{}\n")
    checkpoint.write(
        folder / "checkpoints" / "000012",
        config=data,
        generator=generator.build(),
        discriminator=discriminator.build(),
        training_tensors={},
        training_state={},
        card="",
    )
    return folder


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


def test_list_names_every_metric_and_needs_nothing_else():
    result = run("--list")
    assert result.exit_code == 0
    assert {line.partition(" ")[0] for line in result.stdout.splitlines()} >= METRICS.keys()


def test_score_is_repeatable_whatever_the_batch(dataset, tiny_generator):
    """A batch size may move single pixels by a level where the CPU picks another convolution."""
    options = {"num_fakes": 70, "seed": 3, "kimg": None}
    (first,) = score(tiny_generator, dataset, ["fd-untrained"], **options)
    (again,) = score(tiny_generator, dataset, ["fd-untrained"], **options)
    (other,) = score(tiny_generator, dataset, ["fd-untrained"], **options, batch=7)
    assert first == again
    assert other.pop("value") == pytest.approx(first.pop("value"), rel=1e-4)
    assert other == first


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


def test_truncation_is_recorded(dataset, tiny_generator):
    options = {"num_fakes": 70, "seed": 0, "kimg": None}
    (full,) = score(tiny_generator, dataset, ["fd-untrained"], **options)
    (half,) = score(tiny_generator, dataset, ["fd-untrained"], **options, psi=0.5)
    assert half["convention"] == f"{full['convention']}-psi0.5" and half["value"] != full["value"]
    assert (full["label"], half["label"]) == ("fd-untrained[70-full]", "fd-untrained[70-full-psi0.5]")


def test_classes_follow_the_data(dataset, monkeypatch):
    """A conditional model is asked for the classes of the data, in about their shares."""
    seen = []

    def images(generator, seeds, *, labels, psi, batch):
        seen.extend(labels)
        yield torch.zeros(len(seeds), 3, 16, 16, dtype=torch.uint8)

    monkeypatch.setattr("gan.sampling.images", images)
    monkeypatch.setattr(dataset, "labels", np.array([0] * 30 + [3] * 10))
    generator = generator_config(c_dim=4).build()
    for num_fakes in (200, 100):
        score(generator, dataset, ["fd-untrained"], num_fakes=num_fakes, seed=0, kimg=None)
    assert set(seen) == {0, 3} and 0.6 < seen[:200].count(0) / 200 < 0.9
    assert seen[200:] == seen[:100]  # the class belongs to the seed


def test_a_model_with_classes_needs_labels(dataset, monkeypatch):
    options = {"num_fakes": 70, "seed": 0, "kimg": None}
    with pytest.raises(UserError, match=r"2 classes but .* has labels 0 to 3"):
        score(generator_config(c_dim=2).build(), dataset, ["fd-untrained"], **options)
    monkeypatch.setattr(dataset, "labels", None)
    with pytest.raises(UserError, match="has no labels"):
        score(generator_config(c_dim=2).build(), dataset, ["fd-untrained"], **options)


def test_interval_is_printed(run_folder, tiny_zip):
    (record,) = records_of(
        run("--model", run_folder, "--data", tiny_zip, *UNTRAINED, "--bootstrap", 20, "--json")
    )
    assert record["bootstrap_draws"] == 20 and record["interval"][0] < record["interval"][1]
    low, high = (f"{x:.4g}" for x in record["interval"])
    assert format_table([record]).count(f"[{low} to {high}]") == 1


def test_report_shows_copies_first(tiny_zip, run_folder, tmp_path, monkeypatch):
    """Images of the data set itself are copies; those of an untrained model are not."""
    monkeypatch.setattr("gan.jobs.copies.NETWORK", "untrained")
    page, other = tmp_path / "copies.html", tmp_path / "model.html"
    shown = ("--images", tiny_zip, "--data", tiny_zip, *UNTRAINED[:2], "--num-fakes", 30)
    assert run(*shown, "--report", page).exit_code == 0
    assert run("--model", run_folder, "--data", tiny_zip, *UNTRAINED, "--report", other).exit_code == 0
    text = page.read_text()
    assert "30 fakes against 40 real images" in text and " 0.0 % of the fakes" in text
    assert text.count("<img") == 24 * 4 and text.count(": 0.000</p>") == 24
    assert "70 fakes against" in other.read_text() and ": 0.000</p>" not in other.read_text()


def test_images_of_a_data_set_are_read_in_order(dataset):
    images = DatasetImages(dataset, limit=30)
    assert len(images) == 30 and images.labels == [i % 4 for i in range(30)]
    part = images.read(16, 30)
    assert part.shape == (14, 3, 16, 16) and part.dtype == torch.uint8
    assert torch.equal(part[13], torch.tensor(dataset.image(29)))


def test_table_is_aligned():
    record = {"num_fake": 2000, "num_real": 4495, "convention": "x"}
    text = format_table(
        [
            {"label": "a[2k-full]", "value": 123.456, **record},
            {"label": "b/real[full]", "value": 0.01234, "error": 0.5, **record, "num_fake": 0},
        ]
    )
    assert text.splitlines() == [
        "a[2k-full]            123.46  (2,000 fakes vs 4,495 reals, x)",
        "b/real[full]  0.01234 +- 0.5  (4,495 reals, x)",
    ]
