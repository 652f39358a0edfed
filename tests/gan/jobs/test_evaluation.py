"""The evaluation job as a notebook calls it: models and images, open or by path, each told from the other."""

import json
import zipfile

import pytest

from gan.errors import UsageError, UserError
from gan.jobs.evaluation import evaluate, evaluate_images, evaluate_model, is_model
from gan.models import checkpoint
from training.data.archive import Archive

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*covariance is singular"),  # 40 images are few
    pytest.mark.usefixtures("own_cache"),
]
METRICS = ["fd-untrained"]


def test_a_run_its_checkpoint_and_its_generator_give_one_number(run_folder, tiny_zip, dataset):
    options = {"metrics": METRICS, "num_fakes": 50, "seed": 3, "device": "cpu"}
    one, honest = run_folder / "checkpoints" / "000012", {"d_features": [], "seen_by_d": False}
    (run,) = evaluate(run_folder, tiny_zip, **options)
    (saved,) = evaluate(str(one), dataset, **options)
    (module,) = evaluate(checkpoint.read(one).generator(), dataset, **options)
    assert run == saved == {**module, "kimg": 12.0, **honest} and module["kimg"] is None and run["seed"] == 3
    lines = (run_folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [run, saved]
    assert evaluate_model(one, tiny_zip, **options) == [run]


def test_broken_weights_have_no_score(run_folder, tiny_zip):
    broken = checkpoint.read(run_folder / "checkpoints" / "000012").generator()
    next(broken.parameters()).data[0] = float("inf")
    with pytest.raises(UserError, match=r"1 of \d+ tensors of the network hold NaN .*older checkpoint"):
        evaluate(broken, tiny_zip, metrics=METRICS, num_fakes=50, device="cpu")


def test_images_by_path_and_open_give_one_number(tiny_zip, dataset, tmp_path):
    with zipfile.ZipFile(tiny_zip) as archive:
        archive.extractall(tmp_path / "000012")  # a number is no mark of a checkpoint
    options = {"metrics": METRICS, "num_fakes": 20}
    found = [evaluate(fakes, dataset, **options) for fakes in (tmp_path / "000012", tiny_zip, dataset)]
    assert found[0] == found[1] == found[2] == evaluate_images(tiny_zip, tiny_zip, **options)
    assert found[0][0]["num_fake"] == 20 and found[0][0]["kimg"] is None
    assert dataset.image(0).shape == (3, 16, 16)  # what was open stays so


def test_a_model_is_told_from_images(run_folder, tiny_zip, tiny_generator, dataset, tmp_path):
    checkpoint.mark_best(run_folder / "checkpoints" / "000012", {})
    for model in (tiny_generator, run_folder, *(run_folder / "checkpoints").glob("0*")):
        assert is_model(model)
    assert is_model(run_folder / "checkpoints" / "best")
    assert not is_model(tiny_zip) and not is_model(dataset) and not is_model(tmp_path)
    with pytest.raises(UserError, match="nothing at .*none: give a run"):
        is_model(tmp_path / "none")


@pytest.mark.parametrize("option", [{"psi": 0.5}, {"seed": 1}, {"batch": 7}])
def test_images_have_no_options_of_models(option, tiny_zip):
    with pytest.raises(UsageError, match="needs a model; images are scored as they are"):
        evaluate(tiny_zip, tiny_zip, METRICS, **option)


def test_the_first_process_alone_finds_the_fingerprint(tiny_generator, tiny_zip, monkeypatch):
    """As rank 1 sees it: what the first one found is taken, and nothing is read for it."""
    monkeypatch.setattr(Archive, "fingerprint", property(lambda self: pytest.fail("found again")))
    monkeypatch.setattr("gan.distributed.from_first", lambda work: "ab" * 32)
    (record,) = evaluate(tiny_generator, tiny_zip, METRICS, num_fakes=20)
    assert record["data_sha256"] == "ab" * 32


def test_a_page_of_an_open_model(tiny_generator, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("gan.jobs.copies.NETWORK", "untrained")
    page = tmp_path / "copies.html"
    evaluate(tiny_generator, dataset, METRICS, num_fakes=30, report=page)
    assert "30 fakes against 40 real images" in page.read_text()


def test_a_page_shows_the_images_that_were_scored(tiny_generator, dataset, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        "gan.jobs.evaluation.write_page", lambda out, real, fake, networks: shown.append(fake)
    )
    look = {"seed": 5, "psi": 0.5, "batch": 7}
    evaluate(tiny_generator, dataset, METRICS, num_fakes=30, report=tmp_path / "page.html", **look)
    assert (list(shown[0].seeds), shown[0].psi, shown[0].batch) == (list(range(5, 35)), 0.5, 7)
