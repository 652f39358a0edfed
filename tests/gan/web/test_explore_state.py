"""The view of the explore page as an address, as JSON and as packed styles."""

import json
from dataclasses import replace

import pytest
import torch

from gan.errors import UsageError
from gan.web.explore import state
from gan.web.explore.state import Point, View

WS = torch.arange(24, dtype=torch.float32).view(3, 8).sin()
FULL = Point(
    seed=7,
    latent=state.packed(WS),
    psi=0.5,
    psi_cutoff=2,
    label=1,
    noise="random",
    noise_seed=3,
    noise_layers=(0.5, 1.0),
    mix_seed=9,
    mix_layers=(0, 2),
    place=(0.25, -1.5),
    method="sefa",
    amounts=(0.0, 2.5),
    layers=(1, 2),
    shift=(0.1, -0.2),
    turn=30.0,
)
VIEW = View(
    model="0123", point=FULL, keyframes=(Point(seed=1), FULL), kind="linear", steps=5, loop=False, fps=12
)


@pytest.mark.parametrize("view", [View(), View(point=Point(seed=4)), VIEW])
def test_an_address_holds_the_whole_view(view):
    text = state.fragment(view)
    assert state.from_fragment(text) == view
    assert text.isascii() and not set(text) & set(' "#<>\\^`{|}')  # what an address may hold
    assert state.view(json.loads(json.dumps(state.plain(view)))) == view


def test_an_address_says_only_what_differs():
    assert state.plain(View()) == {} and state.fragment(View()) == "%7B%7D"
    assert state.plain(View(point=Point(psi=0.7))) == {"point": {"psi": 0.7}}


def test_the_full_point_differs_in_every_field():
    assert set(state.plain(FULL)) == set(Point.__dataclass_fields__)
    assert set(state.plain(VIEW)) == set(View.__dataclass_fields__)


def test_packed_styles_are_exact():
    assert torch.equal(state.unpacked(state.packed(WS)), WS)
    alike = WS[:1].expand(14, -1)
    assert torch.equal(state.unpacked(state.packed(alike)), alike)
    assert len(state.packed(alike)) < len(state.packed(WS))  # one row says it all


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"sed": 1},
        {"seed": -1},
        {"seed": 2**32},
        {"seed": 1.5},
        {"seed": True},
        {"psi": float("nan")},
        {"psi": 1e9},
        {"psi": 10**400},
        {"noise": "loud"},
        {"amounts": [float("inf")]},
        {"amounts": [0.0] * 65},
        {"noise_layers": [1.0] * 65},
        {"place": [1.0]},
        {"layers": [3, 1]},
        {"mix_layers": "all"},
        {"latent": "3x8.AAAA"},
        {"latent": "1x1.AADAfw=="},  # NaN
        {"latent": "0x1."},
        {"latent": "x"},
        {"latent": "3x0.AAAA"},
        {"latent": "3x-8.AAAA"},
    ],
)
def test_what_is_no_point(data):
    with pytest.raises(UsageError) as error:
        state.point(data)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "%7B", "[]", "%7B%22point%22%3A1%7D", "%5B" * 9000, "null"])
def test_what_is_no_address(text):
    with pytest.raises(UsageError):
        state.from_fragment(text)


def test_paths_are_bounded():
    with pytest.raises(UsageError, match="keyframes"):
        state.view({"keyframes": [{}] * 65, "steps": 1})
    with pytest.raises(UsageError, match="frames"):
        state.view({"keyframes": [{}] * 60, "steps": 60})
    assert len(replace(VIEW, keyframes=(Point(),) * 60, steps=50).keyframes) == 60
