"""Training with a projected discriminator: slopes at features, parts of a batch, resuming, files."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import gan
from gan.config import override
from gan.errors import UsageError, UserError
from gan.files import sha256
from gan.models import checkpoint
from gan.networks.features import FEATURE_NETWORKS
from gan.randomness import Draws
from tests.gan.networks import toy_features
from tests.training.test_exact import assert_equal
from tests.training.test_parts import assert_same, held, stepped
from tests.training.tiny import learned, plain, run_training, tiny_state
from training import parts
from training.blur import blurred
from training.config import RunConfig
from training.context import Context
from training.losses.penalties import feature_penalty

AT_FEATURES = ("loss.r1_on=features", "loss.r1_gamma=2", "loss.r1_interval=null")


@pytest.fixture
def seen_through(monkeypatch, tmp_path):
    """Settings of a run whose discriminator looks through the toy."""
    settings = toy_features.add(monkeypatch.setitem, FEATURE_NETWORKS, tmp_path)
    return [f"discriminator.{setting}" for setting in settings]


def projected_state(settings, *more):
    """8x8 images, in float64, with a discriminator whose parameters move by minus their gradient.

    Eval mode keeps the spectral norms' vectors, which a step would move.
    """
    state = tiny_state("loss.name=wasserstein", *settings, *more)
    state.discriminator.double().eval()
    state.generator.double()
    state.optimizer_d = torch.optim.SGD(state.discriminator.parameters(), lr=1.0)
    for group in state.optimizer_d.param_groups:
        group["betas"] = None
    return state


REAL = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 2 - 1


@torch.no_grad()
def slope_squared(D, images, step=1e-5):
    """Squared norm of the slope of each logit at the features of its image, by central differences."""
    mixed = [x.contiguous() for x in D.mixed(images)]
    total = torch.zeros(len(images), dtype=torch.float64)
    for x in mixed:
        for place in range(x[0].numel()):
            ends = []
            for sign in (step, -step):
                x.view(len(x), -1)[:, place] += sign
                ends.append(D.of_mixed(mixed)[:, 0])
                x.view(len(x), -1)[:, place] -= sign
            total += ((ends[0] - ends[1]) / (2 * step)).square()
    return total


class Zeros(torch.nn.Module):
    """A generator of grey images."""

    z_dim, num_ws = 4, 0

    def forward(self, z, c=None):
        return torch.zeros(len(z), 3, 8, 8, dtype=torch.float64)


def test_the_penalty_and_its_gradient_by_finite_differences(seen_through):
    """R1 of a step of D, with its loss: the value, and how it moves a weight of each head."""
    state = projected_state(seen_through, *AT_FEATURES, "discriminator.mixed_channels=2")
    state.generator, D = Zeros(), state.discriminator
    want = slope_squared(D, REAL)
    leaves = [x.detach().requires_grad_() for x in D.mixed(REAL)]
    torch.testing.assert_close(feature_penalty(leaves, D.of_mixed(leaves)), want, rtol=1e-6, atol=0)
    weights = [head.layers[-1].parametrizations.weight.original for head in D.heads]
    before, slopes = [w.detach().clone() for w in weights], []
    for weight in weights:
        ends = []
        for sign in (1e-5, -1e-5):
            with torch.no_grad():
                weight[0, 0, 1, 1] += sign
            loss = D(torch.zeros_like(REAL)).mean() - D(REAL).mean()
            ends.append((loss + feature_penalty(leaves, D.of_mixed(leaves)).mean()).item())
            with torch.no_grad():
                weight[0, 0, 1, 1] -= sign
        slopes.append((ends[0] - ends[1]) / 2e-5)
    terms = learned(state, "d", REAL)
    assert terms["r1"].item() == pytest.approx(want.mean().item(), rel=1e-6)
    moved = [(b - w.detach())[0, 0, 1, 1].item() for b, w in zip(before, weights, strict=True)]
    assert moved == pytest.approx(slopes, rel=1e-5, abs=1e-8)  # gamma / 2 is 1


def test_slopes_at_fakes_are_those_of_fakes(seen_through):
    state = projected_state(seen_through, *AT_FEATURES, "loss.r2=true")
    state.generator = Zeros()
    want = [slope_squared(state.discriminator, x).mean().item() for x in (REAL, torch.zeros_like(REAL))]
    terms = learned(state, "d", REAL)
    assert [terms["r1"].item(), terms["r2"].item()] == pytest.approx(want, rel=1e-6)


def test_slopes_at_features_are_those_of_what_d_sees(seen_through):
    """Blurred, here."""
    blur = ("loss.blur_sigma=2", "loss.blur_fade_kimg=1")
    state = projected_state(seen_through, *AT_FEATURES, *blur)
    state.generator = Zeros()
    want = slope_squared(state.discriminator, blurred(REAL, 2.0)).mean().item()
    assert learned(state, "d", REAL)["r1"].item() == pytest.approx(want, rel=1e-6)


def test_a_generator_without_styles_gets_the_noise_of_its_samples():
    """Fresh, and the same in any split of the batch; batch statistics apart, which see a part each."""
    state = tiny_state(FAST[0])
    G = state.generator.eval()
    for block in G.blocks.values():
        torch.nn.init.ones_(block.noise_strength)

    def fakes(micro_batch):
        state.micro_batch = micro_batch
        options = {"role": "generator", "real": None, "c": None, "c_fake": None}
        contexts = [
            Context(state, part, draws=Draws(0, 0, part.samples), **options) for part in parts.split(state, 4)
        ]
        return contexts[0].z, torch.stack([c.fake.detach() for c in contexts]).transpose(0, 1).flatten(0, 1)

    z, whole = fakes(None)
    torch.testing.assert_close(fakes(2)[1], whole)
    assert not torch.allclose(G(z), whole)


def test_a_lazy_penalty_looks_at_reals_alone(seen_through):
    state = projected_state(seen_through, "loss.r1_on=features", "loss.r1_gamma=2", "loss.r1_interval=4")
    want = slope_squared(state.discriminator, REAL)
    terms = learned(state, "r1", REAL)
    assert terms["r1"].item() == pytest.approx(want.mean().item(), rel=1e-6) and "r2" not in terms


def test_nothing_is_differentiated_through_the_feature_network_in_steps_of_d(seen_through):
    state = tiny_state(*seen_through, *AT_FEATURES)
    seen = []
    network = state.discriminator.projection.network
    network.register_forward_hook(lambda _, __, maps: seen.extend(m.requires_grad for m in maps))
    learned(state, "d", REAL.float())
    assert seen == [False] * 4
    learned(state, "g", REAL.float())
    assert seen[4:] == [True] * 4


def test_a_loss_of_ones_own_sees_the_mixed_features_by_name(seen_through):
    state = tiny_state(*seen_through)
    part = parts.split(state, 4)[0]
    draws = Draws(0, 0, part.samples)
    context = Context(state, part, draws=draws, role="discriminator", real=REAL, c=None, c_fake=None)
    found = context.features(REAL.float(), None)
    mixed = state.discriminator.mixed(REAL.float())
    assert all(torch.equal(found[f"projection.{scale}"], x) for scale, x in enumerate(mixed))
    assert found["heads.0"].shape == (4, 1)


def test_slopes_at_images_work_too(seen_through):
    state = projected_state(seen_through, "loss.r1_gamma=2", "loss.r1_interval=null")
    images = REAL.clone().requires_grad_()
    (slope,) = torch.autograd.grad(state.discriminator(images).sum(), images)
    want = slope.square().sum(dim=(1, 2, 3)).mean().item()
    assert learned(state, "d", REAL)["r1"].item() == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["loss.r1_on=features", "loss.r1_gamma=1"], "which discriminator.type stylegan2 lacks"),
        (["loss.r1_on=features", "discriminator.type=projected"], "r1_gamma has no rule for slopes at feat"),
        (["generator.type=projected"], "projected has no generator of its own; use that of"),
        (["discriminator.type=fastgan"], "fastgan has no discriminator of its own; use that of"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        override(RunConfig(), settings)


LABELLED = ("loss.r1_on=features", "loss.r1_gamma=1", "loss.r1_interval=2", "loss.r2=true")


@pytest.mark.parametrize("every", [False, True], ids=["lazy", "in every step"])
def test_micro_batches_make_the_step_of_the_whole_batch(every, seen_through):
    more = [*LABELLED[:2], "loss.r1_interval=null"] if every else LABELLED
    settings = [*seen_through, *more, "augment.name=diffaugment"]
    whole, terms = stepped_projected(*settings)
    split, found = stepped_projected(*settings, "micro_batch=2")
    assert_same(held(whole), held(split))
    for step, other in zip(terms, found, strict=True):
        assert step == pytest.approx(other, rel=1e-3, abs=1e-4)


def stepped_projected(*settings):
    """`stepped` without the group of minibatch statistics, which this discriminator has not."""
    return stepped(*settings, classes=3, small=("batch=8",))


def test_two_processes_make_the_step_of_one(seen_through, tmp_path, ranks):
    ranks("training/two_projected.py", str(tmp_path))
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(a, second[name]) for name, a in first.items())
    assert_same(held(stepped_projected(*seen_through, *LABELLED)[0]), first)


FAST = [
    "generator={type: fastgan, channel_base: 64, channel_max: 8, z_dim: 8, skip_factor: 2}",
    "data.conditional=true",
    "augment.name=diffaugment",
    "loss.name=hinge",
    "loss.r1_on=features",
    "loss.r1_gamma=2",
]


def run_config(tiny_zip, settings, *more) -> RunConfig:
    """A run of FastGAN's generator against a discriminator on the toy."""
    return override(plain(tiny_zip), [*settings, *FAST, *more])


@pytest.mark.parametrize("more", [[], ["precision=bf16", "micro_batch=2", "checkpoint_activations=true"]])
def test_a_run_goes_on_bit_for_bit(more, seen_through, tiny_zip, tmp_path):
    straight = run_training(
        run_config(tiny_zip, seen_through, "kimg=0.016", *more), out=tmp_path / "a", device="cpu"
    )
    run_training(run_config(tiny_zip, seen_through, *more), out=tmp_path / "b", device="cpu")
    pieces = run_training(
        run_config(tiny_zip, seen_through, "kimg=0.016", *more),
        out=tmp_path / "b",
        resume="auto",
        device="cpu",
    )
    assert_equal(straight, pieces, "000000.016")


def test_what_a_run_writes(seen_through, tiny_zip, tmp_path):
    """No feature network in the checkpoint; its digest in config and card; both networks are read back."""
    run = run_training(run_config(tiny_zip, seen_through), out=tmp_path / "runs", device="cpu")
    saved = checkpoint.read(checkpoint.resolve(run))
    weights = tmp_path / "toy.safetensors"
    config = saved.config["discriminator"]
    assert config["weights_sha256"] == sha256(weights) in (run / "config.yaml").read_text()
    assert config["feature_channels"] == list(toy_features.CHANNELS)
    tensors = {**saved.discriminator().state_dict(), **saved.training()[0]}
    assert not any("convs" in name for name in tensors)
    card = (saved.path / "card.md").read_text()
    assert f"through toy, frozen and not in this folder: sha256 of its weights {sha256(weights)}" in card
    assert "their licence CC0" in card
    D, G = gan.load_discriminator(run), gan.load(run)
    c = torch.eye(G.c_dim)[:2]
    images = G(torch.randn(2, G.z_dim), c)
    assert D(images, c).shape == (2, 1) and images.abs().max() <= 1
    assert torch.equal(D.projection.across0, saved.discriminator().projection.across0)


def test_another_file_is_refused_and_a_moved_one_is_named_anew(seen_through, tiny_zip, tmp_path):
    config = run_config(tiny_zip, seen_through)
    run = run_training(config, out=tmp_path / "runs", device="cpu")
    moved = shutil.move(tmp_path / "toy.safetensors", tmp_path / "moved.safetensors")
    with pytest.raises(UserError, match="toy.safetensors"):
        gan.load_discriminator(run)
    assert gan.load(run).z_dim == 8  # sampling needs no feature network
    going_on = override(config, ["kimg=0.016", f"discriminator.weights={moved}"])
    assert run_training(going_on, out=tmp_path / "runs", resume="auto", device="cpu") == run
    toy_features.write(Path(moved), seed=1)
    with pytest.raises(UserError, match="trained on features of"):
        gan.load_discriminator(run)


def test_statistics_are_finite(seen_through, tiny_zip, tmp_path):
    run = run_training(run_config(tiny_zip, seen_through), out=tmp_path, device="cpu")
    [record] = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    numbers = [v for v in record.values() if isinstance(v, float)]
    assert record["r1"] > 0 and all(torch.isfinite(torch.tensor(v)) for v in numbers)
