"""Every image goes with its own label: in each step of training, and in what is drawn, scored and kept.

The classes of tests/training/colours.py cannot be confused, so one exchange anywhere is seen.
"""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import gan
from gan.cli.main import main
from gan.config import override
from gan.errors import UsageError
from gan.jobs.evaluation import evaluate_images
from gan.jobs.sampling import sample
from gan.jobs.scoring import drawn
from gan.jobs.training import conditioned
from gan.models import checkpoint
from gan.sampling import frames, labels_from_seeds
from tests.training.colours import (
    BATCH,
    NAMES,
    RGB,
    SIDE,
    add_architecture,
    brightness_of,
    classes_of,
    coloured_state,
    reals_of,
    run_config,
    write_zip,
)
from tests.training.tiny import learned, plain, run_training
from training import loop
from training.config import RunConfig
from training.data.images import open_dataset
from training.data.sampler import batches

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")
C = torch.eye(3)[[0, 1, 2, 0, 0, 2, 1, 0]]
ROWS = torch.tensor([1.0, 2.0, 4.0])  # of D: the logit of a real image of each class with its own label
STEPS = {  # objective and settings
    "g": ("g", []),
    "d": ("d", []),
    "lazy r1": ("r1", ["loss.r1_interval=4", "loss.r1_gamma=1"]),
    "lazy r1 and r2": ("r1", ["loss.r1_interval=4", "loss.r1_gamma=1", "loss.r2=true"]),
    "r1": ("d", ["loss.r1_interval=null", "loss.r1_gamma=1"]),
    "r1 and r2": ("d", ["loss.r1_interval=null", "loss.r1_gamma=1", "loss.r2=true"]),
    "slopes": ("d", ["loss.gradient_penalty_weight=1", "loss.r1_gamma=0"]),
    "lecam": ("d", ["loss.lecam_weight=1"]),
    "relativistic g": ("g", ["loss.name=relativistic"]),
    "relativistic d": ("d", ["loss.name=relativistic"]),
}
KINDS = {"g": {"fake"}, "lazy r1": {"real"}, "slopes": {"real", "fake", "between"}}  # others see both


def kind(brightness):
    return {1.0: "real", 0.5: "fake"}.get(round(brightness, 6), "between")


@pytest.mark.parametrize("more", [[], ["micro_batch=2"]], ids=["whole", "parts"])
@pytest.mark.parametrize("styles", [True, False], ids=["styles", "plain"])
@pytest.mark.parametrize("name", STEPS)
def test_d_gets_every_image_with_its_own_label(name, styles, more):
    objective, settings = STEPS[name]
    state = coloured_state(*settings, *more, styles=styles)
    learned(state, objective, reals_of(C), C)
    seen = state.discriminator.seen
    images, labels = (torch.cat(tensors) for tensors in zip(*seen, strict=True))
    assert torch.equal(classes_of(images), labels.argmax(dim=1))
    found = {}
    for value, label in zip(brightness_of(images).tolist(), labels.argmax(dim=1).tolist(), strict=True):
        found.setdefault(kind(value), []).append(label)
    assert found.keys() == KINDS.get(name, {"real", "fake"})
    if not (more and name == "lecam"):  # which asks for the whole batch in passes of its own
        assert all(sorted(labels) == sorted(C.argmax(dim=1).tolist()) for labels in found.values())


@pytest.mark.parametrize("name", ["slopes", "relativistic g", "relativistic d"])
def test_what_is_compared_is_of_one_class(name):
    objective, settings = STEPS[name]
    state = coloured_state(*settings)
    learned(state, objective, reals_of(C), C)
    for images, labels in state.discriminator.seen:
        want = C if len(labels) == BATCH else C.repeat_interleave(2, dim=0)
        assert torch.equal(labels, want) and torch.equal(classes_of(images), want.argmax(dim=1))


def test_terms_by_hand():
    """Exchanged labels would give logits of 0, for D reads the channel of the label."""
    real = (C @ ROWS).mean().item()
    state = coloured_state("loss.name=wasserstein", "loss.r1_gamma=1", "loss.r1_interval=1", "loss.r2=true")
    terms = learned(state, "d", reals_of(C), C)
    assert terms["logits/real"].item() == pytest.approx(real)
    assert terms["logits/fake"].item() == pytest.approx(real / 2)
    assert terms["loss/d"].item() == pytest.approx(-real / 2)
    assert learned(state, "g", reals_of(C), C)["loss/g"].item() == pytest.approx(-real / 2, rel=1e-5)
    slopes = learned(state, "r1", reals_of(C), C)
    want = (C @ ROWS).square().mean().item() / SIDE**2
    assert slopes["r1"].item() == pytest.approx(want, rel=1e-4)
    assert slopes["r2"].item() == pytest.approx(want, rel=1e-4)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Images of the three colours."""
    return write_zip(tmp_path_factory.mktemp("colours") / "colours.zip")


@pytest.mark.parametrize(
    "more", [[], ["micro_batch=4"], ["micro_batch=auto"]], ids=["whole", "parts", "auto"]
)
def test_labels_of_the_files_reach_the_step(path, more):
    state = coloured_state("loss.r1_interval=1", "loss.r2=true", *more)
    feed = batches(open_dataset(path), batch_size=BATCH, seed=0)
    for _ in range(2):
        loop.stepped(state, *next(feed), lambda _: None)
        state.nimg += BATCH
    seen = [torch.equal(classes_of(x), c.argmax(dim=1)) for x, c in state.discriminator.seen]
    assert len(seen) >= 6 and all(seen)


def test_labels_in_two_processes(path, ranks):
    said = ranks("training/two_colours.py", str(path))
    assert said.count("every image with its own label") == 2


@pytest.fixture(scope="module", autouse=True)
def architecture():
    with pytest.MonkeyPatch.context() as patch:
        add_architecture(patch)
        yield


@pytest.fixture(scope="module")
def run(path, tmp_path_factory):
    """Two steps that move the brightness of G from 0.5, but not that of its average."""
    config = run_config(path, "ema.kimg=1e6", "ema.rampup=null", "optimizer_g.lr=0.1")
    return run_training(config, out=tmp_path_factory.mktemp("runs"), device="cpu")


def pixels(image):
    return torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1)


def classes_in(images):
    """The same for uint8 images."""
    return classes_of(images.float() - 128).tolist()


def test_a_checkpoint_keeps_the_names(run):
    for folder in sorted((run / "checkpoints").glob("0*")):
        kept = json.loads((folder / "config.json").read_text())
        assert kept["data"]["classes"] == list(NAMES) and kept["generator"]["c_dim"] == 3


def test_grids_show_the_average_in_the_classes_of_the_seeds(run):
    """The average has the brightness 0.5, the weights in training another."""
    raw = checkpoint.read(checkpoint.newest(run)).training()[0]["generator.brightness"]
    assert abs(raw - 0.5) > 0.1
    assert gan.load(run).brightness.item() == pytest.approx(0.5, abs=1e-3)
    for name in ("000000", "000000.016"):
        sheet = pixels(Image.open(run / f"fakes-{name}.png"))[:, 2:, 2:]  # a frame of 2 around each image
        tiles = sheet.unfold(1, SIDE, SIDE + 2).unfold(2, SIDE, SIDE + 2).flatten(1, 2).transpose(0, 1)
        assert classes_in(tiles) == labels_from_seeds(range(64), 3)
        assert tiles.amax(dim=(1, 2, 3)).tolist() == [191] * 64  # 0.5 of [-1, 1]


@pytest.mark.parametrize("name", NAMES)
def test_a_class_by_name_from_the_command_line(name, run, tmp_path):
    command = ["sample", run, "--class", name, "--seeds", "0-3", "--out", tmp_path / "out", "--device", "cpu"]
    assert CliRunner().invoke(main, list(map(str, command))).exit_code == 0
    shown = torch.stack([pixels(Image.open(p)) for p in sorted((tmp_path / "out").iterdir())])
    assert classes_in(shown) == [NAMES.index(name)] * 4


def test_drawn_images_and_their_labels(run, path):
    dataset = open_dataset(path)
    images = drawn(gan.load(run), dataset, range(30, 60), batch=7)
    assert images.labels == [int(dataset.labels[i]) for i in labels_from_seeds(range(30, 60), len(dataset))]
    assert classes_in(images.read(0, 30)) == images.labels
    assert classes_in(images.read(9, 20)) == images.labels[9:20]


def test_scores_are_of_the_classes_of_the_data(path, tmp_path):
    """As bright as the data: the score is that of the data's own images in the drawn classes."""
    config = run_config(path, "generator.start=1", "optimizer_g.lr=0", "kimg=0.008")
    run = run_training(config, out=tmp_path, device="cpu")
    command = ["evaluate", "--model", run, "--data", path, "--metrics=fd-untrained", "--num-fakes=40"]
    result = CliRunner().invoke(main, [*map(str, command), "--json", "--device=cpu"])
    dataset = open_dataset(path)
    own = [dataset.image(i) for i in labels_from_seeds(range(40), len(dataset))]
    (want,) = evaluate_images(np.stack(own).transpose(0, 2, 3, 1), dataset, ["fd-untrained"], device="cpu")
    assert json.loads(result.stdout)[0]["value"] == pytest.approx(want["value"], rel=1e-6)


def test_a_new_run_takes_the_classes_of_a_model_by_name(run, tmp_path):
    """Its own data numbers them in another order, and has one that the model lacks."""
    names = ("blue", "red", "green")
    other = write_zip(tmp_path / "other.zip", names)
    config = run_config(other, f"init_from={run}", "kimg=0.008", "optimizer_g.lr=0")
    started = run_training(config, out=tmp_path, device="cpu")
    for name in names:
        shown = sample(started, [0, 1], labels=name, device="cpu")
        assert classes_in(shown) == [NAMES.index(name)] * 2


def test_training_teaches_each_class_its_colour(path, tmp_path):
    """From black: a Dirac GAN for each class, which R1 lets converge (Mescheder et al. 2018)."""
    settings = [
        "generator.learns=true",
        "kimg=2.4",
        "tick_kimg=2.4",
        "optimizer_g.lr=0.02",
        "optimizer_d.lr=0.02",
    ]
    config = run_config(path, *settings, "loss.r1_gamma=30", "loss.r1_interval=null", "ema.kimg=0.1")
    run = run_training(config, out=tmp_path, device="cpu")
    for name in NAMES:
        (shown,) = sample(run, [0], labels=name, device="cpu")
        want = torch.tensor(RGB[name]).float()
        torch.testing.assert_close(shown.float().mean(dim=(1, 2)), want, rtol=0, atol=25)


@pytest.mark.slow
def test_style_networks_learn_which_class_has_which_colour(path, tmp_path):
    settings = ["data.conditional=true", "batch=16", "kimg=16", "tick_kimg=16", "health.images=0"]
    settings += ["generator.mapping.lr_multiplier=1", "discriminator.mapping.lr_multiplier=1"]
    config = plain(path, *settings, "loss.r1_gamma=1", "ema.kimg=0.5")
    run = run_training(config, out=tmp_path, device="cpu")
    for name in NAMES:
        assert classes_in(sample(run, range(8), labels=name, device="cpu")) == [NAMES.index(name)] * 8


@pytest.mark.parametrize("styles", ["false", "true"])
def test_a_walk_passes_through_the_classes_in_their_order(styles, path, tmp_path):
    run = run_training(
        run_config(path, f"generator.styles={styles}", "kimg=0.008"), out=tmp_path, device="cpu"
    )
    for space in ("z", "w") if styles == "true" else ("z",):
        walk = frames(gan.load(run), [1, 2, 3], steps=2, space=space, labels=[2, 0, 1])
        assert classes_in(torch.cat(list(walk))[::2]) == [2, 0, 1]


@pytest.mark.parametrize(("wanted", "values"), [("labels", [1, 0]), ("vectors", [[0.5], [0.25]])])
def test_conditions_are_those_that_the_settings_name(wanted, values):
    data = Both()
    config = override(RunConfig(), [f"data.conditional={wanted}"])
    assert conditioned(config, open_dataset(data, condition="none")).conditions([0, 1]).tolist() == values
    with pytest.raises(UsageError, match="has labels and vectors"):
        conditioned(override(config, ["data.conditional=true"]), open_dataset(data, condition="none"))


class Both:
    """Two images with classes and vectors."""

    fingerprint, labels, vectors = "both", np.array([1, 0]), np.array([[0.5], [0.25]])

    def __len__(self):
        return 2

    def image(self, i):
        return np.zeros((3, 8, 8), np.uint8)
