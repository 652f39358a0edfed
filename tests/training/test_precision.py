"""Training in half types: every preset, gradients near float32's, loss scaling and its resume."""

import json
import statistics

import pytest
import torch

from gan.config import override
from gan.errors import UsageError, UserError
from tests.training.test_presets import PRESETS, small
from tests.training.tiny import learned, moved, run_training, tiny_state, weights
from training.config import RunConfig
from training.loop import skipped_steps
from training.step import train_step, update

PATH = ("loss.path_length_weight=2", "loss.r1_gamma=1")


def images(state):
    """Reals for a step, drawn on the CPU: the same on every device."""
    return torch.rand(4, 3, 8, 8).to(state.device)


def gradients(state, phase, network, monkeypatch):
    """What a phase gives an optimiser, as one vector."""
    found = []

    def keep(optimizer, scaler):
        scaler.unscale_(optimizer)
        found.extend(torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in network.parameters())
        return torch.ones([])

    monkeypatch.setattr("training.step.update", keep)
    torch.manual_seed(5)
    phase(state)
    return torch.cat([g.flatten() for g in found])


PHASES = {
    "g": (lambda state: learned(state, "g", images(state), None), "generator"),
    "path length": (lambda state: learned(state, "path_length", images(state), None), "generator"),
    "d": (lambda state: learned(state, "d", images(state), None), "discriminator"),
    "r1": (lambda state: learned(state, "r1", images(state), None), "discriminator"),
}


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("phase", PHASES)
def test_gradients_of_every_phase_are_near_those_of_float32(phase, precision, monkeypatch, device):
    """Of most draws: of some, a value that rounds to the other side of a kink alone moves more."""
    run, network = PHASES[phase]
    errors = []
    for nimg in range(0, 20, 4):
        found = []
        for name in ("float32", precision):
            state = tiny_state(*PATH, f"precision={name}", device=device)
            state.nimg = nimg
            for scaler in (state.scaler_g, state.scaler_d):
                scaler.load_state_dict(
                    scaler.state_dict() | ({"scale": 256.0} if scaler.is_enabled() else {})
                )
            found.append(gradients(state, run, getattr(state, network), monkeypatch))
        want, got = found
        assert want.norm() > 0 and not torch.equal(want, got)
        errors.append(float((got - want).norm() / want.norm()))
    assert statistics.median(errors) < (0.1 if precision == "bf16" else 0.02), errors


def test_the_scale_is_not_in_the_gradient(monkeypatch):
    run, _ = PHASES["r1"]
    found = []
    for scale in (1.0, 1024.0):
        state = tiny_state(*PATH, "precision=fp16")
        state.scaler_d = torch.amp.GradScaler("cpu", init_scale=scale)
        found.append(gradients(state, run, state.discriminator, monkeypatch))
    assert (found[0] - found[1]).norm() < 0.02 * found[0].norm()


def test_weights_average_and_optimisers_stay_float32():
    state = tiny_state(*PATH, "precision=bf16")
    train_step(state, torch.rand(4, 3, 8, 8), None)
    tensors = [*state.tensors().values(), *state.ema.state_dict().values()]
    assert {t.dtype for t in tensors if t.is_floating_point()} == {torch.float32}


def test_the_average_draws_in_float32():
    state, other = tiny_state("precision=bf16"), tiny_state()
    z = torch.randn(2, 8)
    assert torch.equal(state.ema(z), other.ema(z)) and not torch.equal(state.generator(z), other.generator(z))


def test_an_infinite_gradient_skips_the_step_and_halves_the_scale(device):
    parameter = torch.nn.Parameter(torch.zeros(2, device=device))
    optimizer = torch.optim.Adam([parameter], fused=True)
    scaler = torch.amp.GradScaler(device.type, init_scale=8.0)
    scaler.scale((parameter * torch.tensor([1.0, float("inf")], device=device)).sum()).backward()
    assert update(optimizer, scaler) is None
    assert parameter.tolist() == [0, 0] and parameter.grad is None and scaler.get_scale() == 4
    scaler.scale((parameter * torch.tensor([3.0, 4.0], device=device)).sum()).backward()
    assert update(optimizer, scaler).item() == pytest.approx(5) and all(parameter != 0)


def test_a_skipped_step_says_so_and_leaves_no_infinite_terms(device):
    state = tiny_state(*PATH, "precision=fp16", device=device)
    state.scaler_g = torch.amp.GradScaler(device.type, init_scale=2.0**100)
    state.scaler_d = torch.amp.GradScaler(device.type, init_scale=2.0**100)
    before = weights(state.generator), weights(state.discriminator)
    terms = train_step(state, images(state), None)
    assert not any(moved(state.generator, before[0])) and not any(moved(state.discriminator, before[1]))
    assert state.memory["path_mean"] == 0 and all(torch.isfinite(value) for value in terms.values())
    assert not {"r1", "path_length", "grad_norm/g"} & terms.keys()
    assert [terms[f"skipped/{phase}"] for phase in ("g", "path_length", "d", "r1")] == [1, 1, 1, 1]
    assert skipped_steps({"skipped/g": 0.5, "skipped/d": 0.0}).endswith("50.0% of g")
    assert skipped_steps({"skipped/d": 0.0, "loss/g": 1.0}) == ""


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_every_preset_trains(name, precision, tiny_zip, tmp_path, device):
    config = small(name, tiny_zip, "kimg=0.008", f"precision={precision}")
    run = run_training(config, out=tmp_path, device=str(device))
    [record] = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    assert all(torch.isfinite(torch.tensor(v)) for v in record.values() if isinstance(v, float))
    assert (record.get("loss_scale/g") is not None) == (precision == "fp16")


def test_the_loss_scale_goes_on(tiny_zip, tmp_path):
    """A split run in fp16 equals the straight one, scale and its counter included."""
    name, path = "stylegan2-ada-auto", "checkpoints/000000.016"
    halfway = small(name, tiny_zip, "kimg=0.008", "precision=fp16")
    config = override(halfway, ["kimg=0.016"])
    straight = run_training(config, out=tmp_path / "a", device="cpu")
    run_training(halfway, out=tmp_path / "b", device="cpu")
    rest = run_training(config, out=tmp_path / "b", resume="auto", device="cpu")
    for file in ("training.safetensors", "generator.safetensors", "discriminator.safetensors"):
        assert (straight / path / file).read_bytes() == (rest / path / file).read_bytes()
    counters = [json.loads((run / path / "training.json").read_text()) for run in (straight, rest)]
    scalers = [{k: v for k, v in c.items() if k.startswith("scaler_")} for c in counters]
    assert (
        scalers[0] == scalers[1] and scalers[0]["scaler_d/_growth_tracker"] + scalers[0]["scaler_d/scale"] > 0
    )
    with pytest.raises(UserError, match=r"precision +fp16 -> bf16"):
        run_training(override(config, ["precision=bf16"]), out=tmp_path, resume=str(rest), device="cpu")


def test_settings_that_make_no_sense():
    with pytest.raises(UsageError, match="half_resolutions must be >= 1"):
        override(RunConfig(), ["half_resolutions=0"])
    with pytest.raises(UsageError, match="precision"):
        override(RunConfig(), ["precision=int8"])
