"""Augmentation within a run: everything D sees, the adapted probability, resuming, statistics, refusals."""

import json

import pytest
import torch

from gan.config import override
from gan.errors import UsageError
from tests.training.tiny import learned, run_training
from training.config import RunConfig
from training.losses import LOSSES
from training.recipes import fit, load_preset, preset_names
from training.schedules import Schedule
from training.state import create
from training.step import train_step

TINY = [
    *(f"{n}.channel_base=64" for n in ("generator", "discriminator")),
    *(f"{n}.channel_max=8" for n in ("generator", "discriminator")),
    "generator.z_dim=8",
    "generator.w_dim=8",
    "generator.mapping.layers=2",
    "batch=4",
]
ADAPTIVE = ["augment.name=ada", "augment.target=-1", "augment.interval=3", "augment.kimg=0.024"]


def tiny_state(*assignments):
    config = override(RunConfig(), [*TINY, *assignments])
    return create(fit(config, shape=(3, 8, 8), c_dim=0), torch.device("cpu"))


@pytest.mark.parametrize(
    "penalties",
    [
        ["loss.r1_interval=1", "loss.r2=true"],
        ["loss.r1_interval=null"],
        ["loss.r1_gamma=0", "loss.gradient_penalty_weight=1", "loss.lecam_weight=1"],
    ],
)
@pytest.mark.parametrize("name", ["logistic", "relativistic"])
def test_d_sees_augmented_images_only(name, penalties):
    state, seen = tiny_state("augment.name=ada", "augment.p=1", f"loss.name={name}", *penalties), []
    state.augmentation._apply = lambda images, p, draws: images * 0 + 0.25 * p
    state.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    terms = train_step(state, torch.rand(4, 3, 8, 8), None)
    assert len(seen) >= 2 + LOSSES[name].paired and terms["loss/d"].isfinite()
    assert all((images == 0.25).all() for images in seen)


def test_r1_is_the_slope_before_augmentation():
    state, real = tiny_state("augment.name=ada", "augment.p=1", "optimizer_d.lr=0"), torch.rand(4, 3, 8, 8)
    state.augmentation._apply = lambda images, p, draws: images * 3
    tripled = learned(state, "r1", real, None)["r1"]
    state.augmentation = None
    torch.testing.assert_close(tripled, 9 * learned(state, "r1", real * 3, None)["r1"])


def test_the_generator_learns_through_the_augmentation():
    state = tiny_state("augment.name=ada", "augment.p=0.9")
    before = [p.detach().clone() for p in state.generator.synthesis.parameters()]
    learned(state, "g", torch.rand(4, 3, 8, 8), None)
    assert any(not p.equal(b) for p, b in zip(state.generator.synthesis.parameters(), before, strict=True))


def test_p_follows_the_signs_of_real_logits():
    state = tiny_state("augment.name=ada", "augment.interval=2", "augment.kimg=0.1", "optimizer_d.lr=0")
    for bias, want in ((50.0, 0.08), (50.0, 0.16), (-50.0, 0.08)):
        torch.nn.init.constant_(state.discriminator.b4.out.bias, bias)
        for _ in range(2):
            train_step(state, torch.rand(4, 3, 8, 8), None)
            state.nimg += 4
        assert state.augmentation.p == pytest.approx(want)


@pytest.mark.parametrize(
    "more", [[], ["micro_batch=2", "discriminator.mbstd_group=2"]], ids=["whole", "parts"]
)
def test_every_real_is_counted_once_and_no_fake(more):
    """The reals get one sign, the fakes another."""
    state, judged = tiny_state("augment.name=ada", "loss.lecam_weight=1", *more), []
    state.augmentation._apply = lambda images, p, draws: images
    real = torch.rand(4, 3, 8, 8)
    state.discriminator.register_forward_hook(lambda _, args, found: found * 0 + signs(args[0], real))
    for _ in range(3):
        train_step(state, real, None)
        state.nimg += 4
        judged.append(state.augmentation.signs.tolist())
    assert judged == [[-4, 4], [-8, 8], [-12, 12]]


def signs(images, real):
    """-1 for each image that is one of `real`, else 1: [N, 1]."""
    same = (images[:, None] == real[None]).flatten(2).all(dim=2).any(dim=1)
    return (1 - 2 * same.float())[:, None]


def test_off_draws_nothing():
    real, steps = torch.rand(4, 3, 8, 8), []
    for more in ([], ["augment.name=none", "augment.policy=bgc"]):
        state = tiny_state(*more)
        train_step(state, real, None)
        steps.append(torch.rand(1))
    assert state.augmentation is None and steps[0].equal(steps[1])


def configured(path, *assignments):
    more = ["tick_kimg=0.008", "snapshot_ticks=1", *assignments]
    return override(RunConfig(preset="tiny"), [f"data.path={path}", *TINY, *ADAPTIVE, *more])


def test_resumed_bit_for_bit(tiny_zip, tmp_path):
    """p moves after 3 steps; half a run is 2, so signs are carried over."""
    straight = run_training(configured(tiny_zip, "kimg=0.016"), out=tmp_path / "a")
    run_training(configured(tiny_zip, "kimg=0.008"), out=tmp_path / "b")
    parts = run_training(configured(tiny_zip, "kimg=0.016"), out=tmp_path / "b", resume="auto")
    names = ("generator", "discriminator", "training")
    for name in [f"{name}.safetensors" for name in names]:
        one, other = ((run / "checkpoints" / "000000.016" / name).read_bytes() for run in (straight, parts))
        assert one == other, name
    state = json.loads((parts / "checkpoints" / "000000.016" / "training.json").read_text())
    assert json.dumps(state).count('"augment/p": 0.5') == 1
    records = [json.loads(line) for line in (parts / "stats.jsonl").read_text().splitlines()]
    assert [record["augment/p"] for record in records] == [0.0, 0.5]


def test_a_high_p_is_logged(tiny_zip, tmp_path):
    config = override(configured(tiny_zip, "kimg=0.016"), ["augment.p=0.7"])
    log = (run_training(config, out=tmp_path) / "log.txt").read_text()
    assert log.count("augment/p is 0.70: from 0.6 on the generator may learn the augmentation itself") == 1


@pytest.mark.parametrize("name", preset_names())
def test_only_the_recipes_that_say_so_augment(name):
    """Adaptively, or on a schedule as R3GAN does."""
    augment = load_preset(name).augment
    adaptive, scheduled = name == "stylegan2-ada-auto", name.startswith("r3gan-")
    features = name.startswith(("demo", "projected-", "few-shot-", "fastgan-"))
    assert augment.name == ("ada" if adaptive or scheduled else "diffaugment" if features else "none")
    assert isinstance(augment.p, Schedule) is scheduled


def test_images_that_a_policy_cannot_take_are_refused():
    config = override(RunConfig(), ["augment.name=ada", "augment.policy=bgcf"])
    with pytest.raises(
        UsageError, match="imgfilter needs images of 22 pixels or more on each side, got 16x32"
    ):
        fit(config, shape=(3, 16, 32), c_dim=0)
    with pytest.raises(UsageError, match="need images of 1 channel"):
        fit(config, shape=(2, 32, 32), c_dim=0)


def test_rectangular_images_with_alpha(device):
    config = override(RunConfig(), [*TINY, "augment.name=ada", "augment.p=0.9"])
    state = create(fit(config, shape=(4, 12, 16), c_dim=0), device)
    terms = train_step(state, torch.rand(4, 4, 12, 16, device=device), None)
    assert all(value.isfinite() for value in terms.values())
