"""gan compare: tiny models and folders of images against a tiny data set."""

import json
import zipfile

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import gan
from gan.cli.main import main
from gan.errors import UsageError, UserError
from gan.jobs.comparison import verdict
from gan.jobs.comparison_page import scaled
from gan.jobs.scoring import DatasetImages
from gan.models import checkpoint
from metrics import frechet_distance
from metrics.measure import Statistic, measure
from metrics.networks import Networks
from training.data.images import open_dataset

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*covariance is singular"),  # 40 images are few
    pytest.mark.usefixtures("own_cache"),
]
UNTRAINED = ("--metrics", "fd-untrained", "--num-fakes", "40")


@pytest.fixture
def noise(tmp_path, tiny_zip):
    """A set of 40 noise images of the size of the data."""
    with zipfile.ZipFile(tiny_zip) as archive:
        assert archive.namelist()
    path = tmp_path / "noise.npy"
    shape = open_dataset(tiny_zip).shape
    rng = np.random.RandomState(0)
    np.save(path, rng.randint(0, 256, (40, *shape[1:], shape[0]), dtype=np.uint8))
    return path


def run(*arguments: object) -> Result:
    """`gan compare` with these arguments."""
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def records_of(result: Result) -> list[dict]:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_data_itself_is_better_than_noise(tiny_zip, noise):
    """The direction: A is the data, whose distance is 0."""
    (row,) = records_of(run(tiny_zip, noise, "--data", tiny_zip, *UNTRAINED, "--json"))
    assert row["a"] < 1e-6 < row["b"] and row["difference"] < 0
    assert row["interval"][0] < row["difference"] < row["interval"][1] < 0 and row["p"] == 1 / 10_000
    assert (row["metric"], row["better"], row["num_fake"]) == ("fd-untrained", "lower", 40)
    (turned,) = records_of(run(noise, tiny_zip, "--data", tiny_zip, *UNTRAINED, "--json"))
    assert turned["difference"] == pytest.approx(-row["difference"], rel=1e-6)
    assert (verdict(row), verdict(turned)) == ("A is better", "B is better")


def test_numbers_are_those_of_the_sets(tiny_zip, noise):
    (row,) = records_of(run(noise, tiny_zip, "--data", tiny_zip, *UNTRAINED, "--json"))
    network = Networks()["untrained"]
    wanted = Statistic("untrained", "pool", "bank", None)
    sets = (DatasetImages(open_dataset(str(path))) for path in (tiny_zip, noise))
    real, fake = (measure(s, [wanted], {"untrained": network}, lambda n: None)[wanted].features for s in sets)
    assert row["a"] == pytest.approx(frechet_distance(real, fake), rel=1e-9)


def test_a_model_against_itself_on_shared_seeds_differs_by_nothing(run_folder, tiny_zip):
    one = run_folder / "checkpoints" / "000012"
    (row,) = records_of(run(run_folder, one, "--data", tiny_zip, *UNTRAINED, "--seed", 5, "--json"))
    assert row["a"] == row["b"] > 0 and row["difference"] == 0 and row["interval"] == [0, 0]
    assert row["p"] == 1 and verdict(row) == "no difference seen"
    (other,) = records_of(run(run_folder, one, "--data", tiny_zip, *UNTRAINED, "--seed", 6, "--json"))
    assert other["a"] != row["a"]
    assert not (run_folder / "metrics.jsonl").exists()


def test_table_and_page(run_folder, tiny_zip, noise, tmp_path):
    page = tmp_path / "page.html"
    result = run(run_folder, noise, "--data", tiny_zip, *UNTRAINED, "--report", page)
    assert result.exit_code == 0, result.stderr
    head, line = result.stdout.splitlines()
    assert head.split() == ["A", "B", "A", "-", "B", "95", "%", "interval", "p"]
    assert line.startswith("fd-untrained[40-full]  ")
    text = page.read_text(encoding="utf-8")
    assert "fd-untrained[40-full]" in text and str(noise) in text and "src=" not in text
    assert "<svg" in text and 'role="img" aria-label="Intervals of the differences A minus B"' in text


def test_an_interval_ends_where_its_picture_does():
    row = {"label": "fid", "better": "lower", "difference": -2.0, "interval": [-4.0, 1.0]}
    assert scaled(row) == {"name": "fid (A is better left, B right)", "low": -1, "value": -0.5, "high": 0.25}
    still = {"label": "x", "better": "", "difference": 0.0, "interval": [0.0, 0.0]}
    assert scaled(still) == {"name": "x", "low": 0, "value": 0, "high": 0}


def test_python_takes_modules_and_tensors(run_folder, tiny_zip):
    generator = checkpoint.read(run_folder / "checkpoints" / "000012").generator()
    pixels = gan.sample(generator, range(40))
    options = {"metrics": ["fd-untrained"], "device": "cpu"}
    (row,) = gan.compare(generator, pixels, tiny_zip, **options)
    assert row["num_fake"] == 40 and row["difference"] == pytest.approx(0, abs=1e-9)
    (cut,) = gan.compare(generator, generator, tiny_zip, num_fakes=40, psi=0.5, **options)
    assert cut["a"] != row["a"] and torch.isfinite(torch.tensor(cut["p"]))
    moved = gan.sample(generator, range(5, 45))
    (same,) = gan.compare(generator, moved, tiny_zip, seed=5, **options)
    assert same["interval"] == pytest.approx([0, 0], abs=1e-9)  # in blocks of one seed, whoever drew them


def test_detectors_and_samples(noise, tiny_zip):
    """A statistic of a detector, on the same part of both sets and of the reals."""
    names = ("--metrics", "fd[untrained],kid[untrained],pr[untrained]", "--json")
    part = ("--num-reals", 36, "--num-fakes", 34, "--sample-seed", 3)
    rows = records_of(run(noise, noise, "--data", tiny_zip, *names, *part))
    assert [row["label"] for row in rows] == [
        f"{name}[untrained-34-36-random3]" for name in ("fd", "kid", "precision", "recall")
    ]
    assert all(row["a"] == row["b"] and row["interval"] == [0, 0] for row in rows)
    whole = records_of(run(noise, noise, "--data", tiny_zip, *names))
    assert rows[0]["a"] != whole[0]["a"] and whole[0]["label"] == "fd[untrained-40-full]"


def test_pairs_of_images(noise, tiny_zip):
    """Without a p; lower is better, and noise is more diverse than figures."""
    (row,) = records_of(run(tiny_zip, noise, "--data", tiny_zip, "--metrics", "ms-ssim", "--json"))
    assert row["p"] is None and row["a"] > row["b"] and row["interval"][0] > 0
    assert row["label"] == "ms-ssim[40]" and verdict(row) == "B is better"


def test_refusals(run_folder, tiny_zip, noise):
    options = {"metrics": ["fd-untrained"], "device": "cpu"}
    with pytest.raises(UserError, match="only 40 images of 41; ask for no more than there are"):
        gan.compare(noise, run_folder, tiny_zip, num_fakes=41, **options)
    with pytest.raises(UsageError, match="modes has no interval, so two of it are not compared"):
        gan.compare(noise, noise, tiny_zip, ["modes"])
    with pytest.raises(UsageError, match=r"psi 0.5 needs a model"):
        gan.compare(noise, noise, tiny_zip, psi=0.5, **options)
    result = run(noise, noise, "--data", tiny_zip, "--metrics", "fd-untrained", "--num-fakes", "20")
    assert (
        result.exit_code == 1
        and "fd-untrained with its interval needs at least 32 generated images" in result.stderr
    )
