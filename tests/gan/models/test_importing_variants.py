"""Files near the community's layout: prefixes, halves, missing noise, bare states; the rest is named."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

import gan
from tests.gan.models.test_importing_community import STYLE, content, convert, generated, generator_state


def prefixed(state):
    return OrderedDict((f"module.{name}", tensor) for name, tensor in state.items())


def halved(state):
    return OrderedDict((name, tensor.half()) for name, tensor in state.items())


VARIANTS = {
    "bare": lambda s: s,
    "bare with prefixes": prefixed,
    "prefixes": lambda s: {"g_ema": prefixed(s)},
    "halves": lambda s: {"g_ema": halved(s)},
    "bare halves with prefixes": lambda s: prefixed(halved(s)),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_variants_give_the_images_of_the_layout(tmp_path, close, variant, zipped):
    state = generator_state()
    if "halves" in variant:
        state = OrderedDict((name, tensor.half().float()) for name, tensor in state.items())
    torch.save(VARIANTS[variant](state), tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    assert convert(tmp_path / "a.pt", tmp_path / "b") == 0
    z = torch.randn(3, STYLE)
    with torch.no_grad():
        close(gan.load(tmp_path / "b")(z), generated(state, z))


def test_the_discriminator_may_have_prefixes_too(tmp_path, close):
    saved = content()
    torch.save({**saved, "d": prefixed(saved["d"]), "g_ema": prefixed(saved["g_ema"])}, tmp_path / "a.pt")
    torch.save(saved, tmp_path / "b.pt")
    assert convert(tmp_path / "a.pt", tmp_path / "a") == convert(tmp_path / "b.pt", tmp_path / "b") == 0
    x = torch.randn(4, 3, 16, 16)
    one, other = (gan.load_discriminator(tmp_path / name) for name in "ab")
    assert torch.equal(one(x), other(x))


@pytest.mark.parametrize("lacking", [range(5), [3]], ids=["all", "one"])
def test_missing_noise_is_drawn_alike_each_time_and_said(tmp_path, capsys, close, lacking):
    state = generator_state()
    for number in lacking:
        del state[f"noises.noise_{number}"]
    torch.save({"g_ema": state}, tmp_path / "a.pt")
    for out in "bc":
        assert convert(tmp_path / "a.pt", tmp_path / out) == 0
    assert f"Noise: the file lacks {len(lacking)} constant maps" in capsys.readouterr().out
    G, again = gan.load(tmp_path / "b"), gan.load(tmp_path / "c")
    z = torch.randn(2, STYLE)
    names = ["b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1"]
    with torch.no_grad():
        assert torch.equal(G(z), again(z))
        for number, name in enumerate(names):  # the layout's own formula, with the maps that were drawn
            state[f"noises.noise_{number}"] = G.get_submodule(f"synthesis.{name}").noise_const[None, None]
        close(G(z), generated(state, z))
    assert 0.7 < state["noises.noise_3"].std() < 1.3


class Other(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.fc = nn.Conv2d(1, 1, 1), nn.Linear(1, 1)


REFUSED = {
    "it holds conv1.weight, conv1.bias, fc.weight, fc.bias, and no generator: save": lambda: dict(
        Other().state_dict()
    ),
    "it holds iteration, optimizer, and no generator: save": lambda: {"iteration": 3, "optimizer": {}},
    "it holds k0, k1, k2, k3, k4, k5, k6, k7 and 2 more, and no": lambda: {f"k{i}": 1 for i in range(10)},
    "it holds d, and no generator": lambda: {"d": content()["d"]},
    "it holds nothing, and no generator": dict,
    "its entry g_ema is no state of a network, but holds opt: save": lambda: {"g_ema": {"opt": 3}},
    "it holds no mapping of networks: save": lambda: [1, 2],
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_fits_nowhere_is_named_with_the_remedy(tmp_path, capsys, words):
    torch.save(REFUSED[words](), tmp_path / "a.pt")
    assert convert(tmp_path / "a.pt", tmp_path / "b") == 1
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1, said
    assert 'torch.save({"g_ema": state}, "model.pt")' in said


def test_a_snapshot_without_a_generator_names_what_it_holds(tmp_path, capsys):
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02}X\x05\x00\x00\x00stepsK\x03s.")  # {"steps": 3}
    assert convert(tmp_path / "a.pkl", tmp_path / "b") == 1
    said = capsys.readouterr().err
    assert "it holds steps, and no generator under G_ema or G: give the snapshot" in said


def test_a_state_dict_of_a_module_with_metadata_is_read(tmp_path, capsys):
    torch.save(Other().state_dict(), tmp_path / "a.pt")
    assert convert(tmp_path / "a.pt", tmp_path / "b") == 1
    assert "it holds conv1.weight, conv1.bias" in capsys.readouterr().err
