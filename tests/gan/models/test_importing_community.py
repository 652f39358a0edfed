"""The community's StyleGAN2 layout: images and logits equal those of its mathematics, written out here."""

import argparse
import math
import re
import zipfile
from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import gan
from gan.cli.main import main

CHANNELS = {4: 12, 8: 12, 16: 6}
STYLE, LAYERS = 10, 3
KERNEL = torch.tensor([1.0, 3, 3, 1]).outer(torch.tensor([1.0, 3, 3, 1])) / 64


def generator_state() -> dict[str, Tensor]:
    """Random weights of a 16x16 generator under the layout's names."""
    state = OrderedDict()
    for i in range(1, LAYERS + 1):
        state |= {f"style.{i}.weight": torch.randn(STYLE, STYLE) * 100, f"style.{i}.bias": torch.randn(STYLE)}
    state["input.input"] = torch.randn(1, CHANNELS[4], 4, 4)

    def layer(name: str, inputs: int, outputs: int, kernel: int) -> None:
        state[f"{name}.conv.weight"] = torch.randn(1, outputs, inputs, kernel, kernel)
        state[f"{name}.conv.modulation.weight"] = torch.randn(inputs, STYLE)
        state[f"{name}.conv.modulation.bias"] = 1 + torch.randn(inputs) / 4
        if kernel == 3:
            state[f"{name}.noise.weight"] = torch.randn(1)
            state[f"{name}.activate.bias"] = torch.randn(outputs)
        else:
            state[f"{name}.bias"] = torch.randn(1, outputs, 1, 1)

    layer("conv1", CHANNELS[4], CHANNELS[4], 3)
    layer("to_rgb1", CHANNELS[4], 3, 1)
    for i, level in enumerate((8, 16)):
        layer(f"convs.{2 * i}", CHANNELS[level // 2], CHANNELS[level], 3)
        state[f"convs.{2 * i}.conv.blur.kernel"] = KERNEL * 4
        layer(f"convs.{2 * i + 1}", CHANNELS[level], CHANNELS[level], 3)
        layer(f"to_rgbs.{i}", CHANNELS[level], 3, 1)
        state[f"to_rgbs.{i}.upsample.kernel"] = KERNEL * 4
    for i, side in enumerate((4, 8, 8, 16, 16)):
        state[f"noises.noise_{i}"] = torch.randn(1, 1, side, side)
    return state


def filtered(x: Tensor, kernel: Tensor, low: int, high: int) -> Tensor:
    """Each channel padded and convolved with the kernel."""
    x = F.pad(x, (low, high, low, high))
    weight = kernel.flip([0, 1]).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(x, weight, groups=x.shape[1])


def modulated(state: dict, name: str, x: Tensor, w: Tensor, demodulate: bool, up: bool) -> Tensor:
    """Weights scaled by 1 / sqrt(fan-in) and by styles; upsampling is a transposed convolution and a blur."""
    weight = state[f"{name}.conv.weight"]  # [1, out, in, k, k]
    weight = weight / math.sqrt(weight[0, 0].numel())
    styles = w @ state[f"{name}.conv.modulation.weight"].T / math.sqrt(STYLE)
    styles = styles + state[f"{name}.conv.modulation.bias"]
    weight = weight * styles[:, None, :, None, None]
    if demodulate:
        weight = weight * (weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    images = []
    for image, own in zip(x, weight, strict=True):
        if up:
            y = F.conv_transpose2d(image[None], own.transpose(0, 1), stride=2)
            images.append(filtered(y, state[f"{name}.conv.blur.kernel"], 1, 1))
        else:
            images.append(F.conv2d(image[None], own, padding=own.shape[-1] // 2))
    return torch.cat(images)


def generated(state: dict, z: Tensor, average: Tensor | None = None, psi: float = 1.0) -> Tensor:
    """The layout's generator, fixed noise."""
    w = z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
    for i in range(1, LAYERS + 1):
        w = w @ state[f"style.{i}.weight"].T * (0.01 / math.sqrt(STYLE)) + state[f"style.{i}.bias"] * 0.01
        w = F.leaky_relu(w, 0.2) * 2**0.5
    if average is not None:
        w = average + psi * (w - average)

    def layer(name: str, x: Tensor, noise: int, up: bool = False) -> Tensor:
        x = modulated(state, name, x, w, demodulate=True, up=up)
        x = x + state[f"{name}.noise.weight"] * state[f"noises.noise_{noise}"]
        return F.leaky_relu(x + state[f"{name}.activate.bias"][:, None, None], 0.2) * 2**0.5

    x = layer("conv1", state["input.input"].expand(len(z), -1, -1, -1), 0)
    image = modulated(state, "to_rgb1", x, w, demodulate=False, up=False) + state["to_rgb1.bias"]
    for i in range(2):
        x = layer(f"convs.{2 * i}", x, 2 * i + 1, up=True)
        x = layer(f"convs.{2 * i + 1}", x, 2 * i + 2)
        wide = torch.zeros(*image.shape[:2], 2 * image.shape[2], 2 * image.shape[3])
        wide[:, :, ::2, ::2] = image
        image = filtered(wide, state[f"to_rgbs.{i}.upsample.kernel"], 2, 1)
        rgb = modulated(state, f"to_rgbs.{i}", x, w, demodulate=False, up=False)
        image = image + rgb + state[f"to_rgbs.{i}.bias"]
    return image


def discriminator_state() -> dict[str, Tensor]:
    """Random weights of a 16x16 discriminator under the layout's names."""
    state = OrderedDict()
    state |= {"convs.0.0.weight": torch.randn(CHANNELS[16], 3, 1, 1), "convs.0.1.bias": torch.randn(6)}
    for i, level in enumerate((16, 8), 1):
        inputs, outputs = CHANNELS[level], CHANNELS[level // 2]
        state |= {
            f"convs.{i}.conv1.0.weight": torch.randn(inputs, inputs, 3, 3),
            f"convs.{i}.conv1.1.bias": torch.randn(inputs),
            f"convs.{i}.conv2.0.kernel": KERNEL,
            f"convs.{i}.conv2.1.weight": torch.randn(outputs, inputs, 3, 3),
            f"convs.{i}.conv2.2.bias": torch.randn(outputs),
            f"convs.{i}.skip.0.kernel": KERNEL,
            f"convs.{i}.skip.1.weight": torch.randn(outputs, inputs, 1, 1),
        }
    width = CHANNELS[4]
    state |= {
        "final_conv.0.weight": torch.randn(width, width + 1, 3, 3),
        "final_conv.1.bias": torch.randn(width),
    }
    for i, outputs, inputs in ((0, width, width * 16), (1, 1, width)):
        state[f"final_linear.{i}.weight"] = torch.randn(outputs, inputs)
        state[f"final_linear.{i}.bias"] = torch.randn(outputs)
    return state


def judged(state: dict, x: Tensor) -> Tensor:
    """The layout's discriminator on at most four images."""

    def convolved(name: str, x: Tensor, bias: str | None, down: bool) -> Tensor:
        weight = state[f"{name}.weight"] / math.sqrt(state[f"{name}.weight"][0].numel())
        size = weight.shape[-1]
        if down:
            low, high = (2, 2) if size == 3 else (1, 1)
            x = F.conv2d(filtered(x, KERNEL, low, high), weight, stride=2)
        else:
            x = F.conv2d(x, weight, padding=size // 2)
        return x if bias is None else F.leaky_relu(x + state[bias][:, None, None], 0.2) * 2**0.5

    x = convolved("convs.0.0", x, "convs.0.1.bias", down=False)
    for i in (1, 2):
        y = convolved(f"convs.{i}.conv1.0", x, f"convs.{i}.conv1.1.bias", down=False)
        y = convolved(f"convs.{i}.conv2.1", y, f"convs.{i}.conv2.2.bias", down=True)
        x = (y + convolved(f"convs.{i}.skip.1", x, None, down=True)) / 2**0.5
    spread = (x.var(dim=0, unbiased=False) + 1e-8).sqrt().mean().expand(len(x), 1, 4, 4)
    x = convolved("final_conv.0", torch.cat([x, spread], dim=1), "final_conv.1.bias", down=False).flatten(1)
    x = x @ state["final_linear.0.weight"].T / math.sqrt(x.shape[1]) + state["final_linear.0.bias"]
    x = F.leaky_relu(x, 0.2) * 2**0.5
    return x @ state["final_linear.1.weight"].T / math.sqrt(x.shape[1]) + state["final_linear.1.bias"]


def convert(path, out) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["convert", str(path), "--out", str(out)])
    return stopped.value.code


def content() -> dict:
    """What a training program of the community saves."""
    return {
        "g": generator_state(),
        "d": discriminator_state(),
        "g_ema": generator_state(),
        "g_optim": {"state": {0: {"step": torch.tensor(3), "exp_avg": torch.ones(2).double()}}},
        "latent_avg": torch.randn(STYLE),
        "args": argparse.Namespace(size=16, path="x"),
        "ada_aug_p": 0.5,
    }


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_images_and_logits(tmp_path, close, zipped):
    saved = content()
    torch.save(saved, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    assert convert(tmp_path / "a.pt", tmp_path / "b") == 0
    G, D = gan.load(tmp_path / "b"), gan.load_discriminator(tmp_path / "b")
    z, x = torch.randn(3, STYLE), torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        close(G(z), generated(saved["g_ema"], z))
        close(G(z, psi=0.5), generated(saved["g_ema"], z, saved["latent_avg"], 0.5))
        close(D(x), judged(saved["d"], x))


def test_tensors_in_one_storage_are_read_once(tmp_path, monkeypatch):
    whole, state = torch.randn(100_000), generator_state()
    place = 0
    for name, value in state.items():
        state[name] = whole[place : place + value.numel()].copy_(value.flatten()).view(value.shape)
        place += value.numel()
    torch.save({"g_ema": state, "latent_avg": torch.randn(STYLE)}, tmp_path / "a.pt")
    read = []
    opened = zipfile.ZipFile.read
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda zip, name: read.append(name) or opened(zip, name))
    assert convert(tmp_path / "a.pt", tmp_path / "b") == 0
    assert len(read) == len(set(read))


def test_the_average_is_made_where_it_is_missing(tmp_path, capsys):
    state = generator_state()
    torch.save({"g": state}, tmp_path / "a.pt")
    assert convert(tmp_path / "a.pt", tmp_path / "b") == 0
    assert "mean of 4,096 styles" in capsys.readouterr().out
    G = gan.load(tmp_path / "b")
    mean = G.mapping.w(torch.randn(20_000, STYLE)).mean(dim=0)
    assert (G.mapping.w_avg - mean).norm() < 0.1 * G.mapping.w(torch.randn(1000, STYLE)).std(dim=0).norm()


BROKEN = {
    "convs.0.conv.weight is missing": lambda s: s.pop("convs.0.conv.weight"),
    "filter convs.0.conv.blur.kernel": lambda s: s["convs.0.conv.blur.kernel"].mul_(2),
    "strange is unknown": lambda s: s.update(strange=torch.ones(1)),
    "input.input is missing": lambda s: s.pop("input.input"),
    "axes that it should not have": lambda s: s.update({"input.input": torch.ones(2, 12, 4, 4)}),
    "BFloat16Storage; only float32 and float16": lambda s: s.update(
        {"style.1.bias": torch.ones(STYLE).bfloat16()}
    ),
}


@pytest.mark.parametrize("words", BROKEN)
def test_what_does_not_fit_is_refused(tmp_path, capsys, words):
    state = generator_state()
    BROKEN[words](state)
    torch.save({"g_ema": state}, tmp_path / "a.pt")
    assert convert(tmp_path / "a.pt", tmp_path / "b") == 1
    said = capsys.readouterr().err
    pattern = re.escape(words).replace("convs\\.0\\.conv\\.weight", ".*b8.conv0.weight")
    assert re.search(pattern, said), said
    assert not (tmp_path / "b").exists()
