"""Spectral norm and low-rank adapters in training: who moves, what is kept, a run that goes on."""

import torch

from gan.config import override
from gan.ema import update as move_average
from gan.models.checkpoint import read
from gan.networks.reparametrize import sigmas
from tests.training.tiny import run_training
from training.config import RunConfig
from training.recipes import fit
from training.state import create
from training.step import train_step

TINY = [
    *(f"{n}.channel_{k}" for n in ("generator", "discriminator") for k in ("base=64", "max=8")),
    *(f"generator.{k}" for k in ("z_dim=8", "w_dim=8", "mapping.layers=2")),
    "batch=4",
    "loss.r1_interval=2",
    "loss.path_length_weight=2",
]


def state_of(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def changed(network, before):
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


def test_a_step_trains_adapters_alone():
    config = override(RunConfig(), [*TINY, "generator.lora_rank=2", "discriminator.spectral_norm=true"])
    state = create(fit(config, shape=(3, 8, 8), c_dim=0), torch.device("cpu"))
    before, average = state_of(state.generator), state_of(state.ema)
    for _ in range(2):
        train_step(state, torch.rand(4, 3, 8, 8) * 2 - 1, None)
        state.nimg += 4
    adapters = {name for name, _ in state.generator.named_parameters()}
    assert changed(state.generator, before) - {"mapping.w_avg"} == adapters
    assert {id(p) for p in state.optimizer_g.state} == {id(p) for p in state.generator.parameters()}
    assert all(name.endswith((".0.a", ".0.b")) for name in adapters)
    move_average(state.ema, state.generator, 0.5)
    assert changed(state.ema, average) - {"mapping.w_avg"} == adapters
    key = next(name for name in adapters if name.endswith(".b"))
    torch.testing.assert_close(state.ema.state_dict()[key], state.generator.state_dict()[key] / 2)


def test_a_run_goes_on_bit_for_bit_and_says_sigma(tiny_zip, tmp_path):
    options = [
        f"data.path={tiny_zip}",
        *TINY,
        "tick_kimg=0.008",
        "snapshot_ticks=1",
        "generator.spectral_norm=true",
        "generator.lora_rank=2",
        "discriminator.spectral_norm=true",
    ]
    config = override(RunConfig(preset="tiny"), options)
    half, whole = override(config, ["kimg=0.008"]), override(config, ["kimg=0.016"])
    straight = run_training(whole, out=tmp_path / "a")
    run_training(half, out=tmp_path / "b")
    rest = run_training(whole, out=tmp_path / "b", resume="auto")
    files = [sorted((r / "checkpoints" / "000000.016").glob("*.safetensors")) for r in (straight, rest)]
    assert len(files[0]) == 3 and [p.read_bytes() for p in files[0]] == [p.read_bytes() for p in files[1]]
    assert '"sigma/d": ' in (rest / "stats.jsonl").read_text()
    saved = read(rest / "checkpoints" / "000000.016")
    assert sigmas(saved.discriminator()) and sigmas(saved.generator())


def test_norms_fit_the_weights_that_a_run_starts_from(tiny_zip, tmp_path):
    options = [f"data.path={tiny_zip}", *TINY, "kimg=0.008", "tick_kimg=0.008"]
    config = override(RunConfig(preset="tiny"), options)
    model = run_training(config, out=tmp_path)
    norm = [f"{network}.spectral_norm=true" for network in ("generator", "discriminator")]
    run = run_training(override(config, [f"init_from={model}", *norm]), out=tmp_path)
    start = read(run / "checkpoints" / "000000")
    for network in (start.generator(), start.discriminator()):
        for name, estimate in sigmas(network).items():
            module = network.get_submodule(name)
            weight = module.parametrizations.weight.original * module.weight_gain
            largest = torch.linalg.svdvals(weight.flatten(1))[0]
            assert 0.8 * largest <= estimate <= 1.001 * largest
