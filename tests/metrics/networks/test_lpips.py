"""LPIPS: the formula, its properties, and which files it asks for."""

import pytest
import torch

from gan.errors import UserError
from metrics.networks import lpips
from metrics.networks.lpips import Lpips, build, heads_of_package
from metrics.networks.vgg import CHANNELS, Vgg16
from tests.metrics.networks.vgg_weights import random_vgg16

CPU = torch.device("cpu")


def heads() -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1, generator=rng) for i, c in enumerate(CHANNELS)}


@pytest.fixture(scope="module")
def net() -> Lpips:
    return Lpips(Vgg16(random_vgg16()), heads())


def images(n=2) -> torch.Tensor:
    return torch.rand(n, 3, 32, 32) * 2 - 1


@torch.inference_mode()
def test_formula(net, close):
    """Equation 1 of the paper, stage by stage; inputs shifted and scaled as ImageNet's."""
    a, b = images(), images()
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    want = torch.zeros(2)
    for index, pair in enumerate(
        zip(
            *(net.net.stages(((x + 1) / 2 - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)) for x in (a, b)),
            strict=True,
        )
    ):
        p, q = (f / f.square().sum(dim=1, keepdim=True).sqrt() for f in pair)
        weight = heads()[f"lin{index}.model.1.weight"]
        want += (weight * (p - q).square()).sum(dim=1).mean(dim=(1, 2))
    got = net(a, b)
    assert got.shape == (2,) and got.min() > 1e-2
    close(got, want)


@torch.inference_mode()
def test_distance(net):
    a, b = images(), images()
    assert net(a, a).tolist() == [0, 0]
    assert torch.equal(net(a, b), net(b, a))
    near, far = net(a, a + 0.01 * b), net(a, a + 0.3 * b)
    assert (near < far).all() and (near > 0).all()


def test_gradient(net):
    a, b = images(1).requires_grad_(), images(1)
    (slope,) = torch.autograd.grad(net(a, b).sum(), a)
    step = 1e-2 * slope / slope.norm()
    with torch.no_grad():
        assert net(a - step, b) < net(a, b) < net(a + step, b)


def test_heads_that_do_not_fit():
    vgg = Vgg16(random_vgg16())
    with pytest.raises(UserError, match="lin3"):
        Lpips(vgg, {**heads(), "lin3.model.1.weight": torch.ones(1, 3, 1, 1)})
    with pytest.raises(UserError, match="lin0.*not negative"):
        Lpips(vgg, {**heads(), "lin0.model.1.weight": -torch.ones(1, 64, 1, 1)})


def test_files(tmp_path, monkeypatch):
    torch.save(random_vgg16(), tmp_path / "vgg.pth")
    torch.save(heads(), tmp_path / "heads.pth")
    built = build(CPU, tmp_path / "vgg.pth", tmp_path / "heads.pth")
    assert len(built.sha256) == 2 * 64 + 1
    with pytest.raises(UserError, match="does not hold"):
        build(CPU, tmp_path / "heads.pth", tmp_path / "heads.pth")
    monkeypatch.setattr(lpips, "_PACKAGE", "no_such_package")
    with pytest.raises(UserError, match=r'pip install -e "\.\[metrics\]"'):
        build(CPU, tmp_path / "vgg.pth")


def test_another_version_of_the_heads(tmp_path, monkeypatch):
    (tmp_path / "vgg.pth").write_bytes(b"other")
    monkeypatch.setattr(lpips.weights, "packaged", lambda package, file: tmp_path / "vgg.pth")
    with pytest.raises(UserError, match="lpips==0.1.4"):
        heads_of_package()
