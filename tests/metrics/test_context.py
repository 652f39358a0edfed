"""What surrounds a score: generator and networks in float32 whatever is set around, device and precision."""

import sys

import pytest
import torch
from torch import nn

from gan.errors import UserError
from metrics import evaluate
from metrics.evaluate import rehearse
from metrics.images import ArrayImages
from metrics.networks import Networks
from tests.gan.test_precision import EXACT, restored, settings  # noqa: F401 (a fixture)
from tests.metrics.test_equivariance import stylegan3

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")


def within() -> tuple:
    """The settings; what an operator may round is off whether it is said so ("ieee") or not set ("none")."""
    return tuple("ieee" if setting == "none" else setting for setting in settings())


def pixels(count=40) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 16, 16), dtype=torch.uint8)


class Spied(ArrayImages):
    """Images that are drawn: notes the settings under which they are."""

    def __init__(self, seen):
        super().__init__(pixels())
        self.seen = seen

    def read(self, start, stop):
        self.seen["images"] = within()
        return super().read(start, stop)


class Perceptual(nn.Module):
    """In the place of LPIPS."""

    sha256 = "0" * 64

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def features(self, images):
        self.seen["perceptual"] = within()
        return images.flatten(1)

    def forward(self, a, b):
        return (self.features(a) - self.features(b)).square().sum(1)


@pytest.fixture
def seen():
    return {}


@pytest.fixture
def networks(seen):
    """The untrained network and a stand-in for LPIPS, which note the settings under which they run."""
    found = Networks()
    honest = found["untrained"].features

    def features(prepared):
        seen["features"] = within()
        return honest(prepared)

    found["untrained"].features = features
    found._built["lpips"] = Perceptual(seen)
    return found


@pytest.fixture
def generator(seen):
    """A StyleGAN3, which has every metric of the generator; notes the settings under which it runs."""
    found = stylegan3()
    found.synthesis.register_forward_hook(lambda *_: seen.update(synthesis=within()))
    found.mapping.register_forward_hook(lambda *_: seen.update(mapping=within()))
    return found


@pytest.fixture
def rounded():
    """What a program may have set: TF32, bfloat16 within products, algorithms by timing, autocast."""
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = True
    with torch.autocast("cpu", torch.bfloat16):
        yield settings()
        assert settings() != EXACT


EVERYWHERE = ["fd-untrained", "ppl-w-end", "ppl-z-full", "eq-t", "eq-r", "lpips-diversity"]


def test_generator_and_networks_run_in_one_context(seen, networks, generator, rounded):
    records = evaluate(
        Spied({}), Spied(seen), EVERYWHERE, num_fakes=8, generator=generator, networks=networks
    )
    assert seen == dict.fromkeys(("images", "features", "perceptual", "synthesis", "mapping"), EXACT)
    assert settings() == rounded
    assert {record["precision"] for record in records} == {"float32"}


def test_the_rehearsal_of_a_score_runs_in_it_too(seen, networks, generator, rounded):
    rehearse(Spied(seen), Spied(seen), EVERYWHERE, generator=generator, networks=networks)
    assert set(seen.values()) == {EXACT} and len(seen) == 5 and settings() == rounded


@pytest.mark.parametrize("where", ["images", "features"])
def test_a_failure_leaves_the_settings_as_they_were(where, networks, rounded, monkeypatch):
    fake = ArrayImages(pixels())

    def failing(*_):
        raise UserError("no more")

    if where == "images":
        monkeypatch.setattr(fake, "read", failing)
    else:
        monkeypatch.setattr(networks["untrained"], "features", failing)
    with pytest.raises(UserError, match="no more"):
        evaluate(pixels(), fake, ["fd-untrained"], num_fakes=8, networks=networks)
    assert settings() == rounded


def test_the_precision_of_a_network_is_recorded():
    (record,) = evaluate(
        pixels(), pixels(), ["fd-untrained"], num_fakes=40, networks=Networks(precision="bf16")
    )
    assert record["precision"] == "float32, network bf16"


def test_networks_go_where_they_are_sent_else_to_the_generator_else_to_a_gpu(monkeypatch):
    class Sent(Exception):
        pass

    def sent(device):
        raise Sent(str(device))

    monkeypatch.setattr(sys.modules["metrics.evaluate"], "Networks", sent)  # its package has a function so
    monkeypatch.setattr("gan.devices.pick", {"auto": "a GPU if there is one", "cuda:1": "cuda:1"}.get)
    generator = stylegan3().to("meta")
    for options, want in (
        ({}, "a GPU if there is one"),
        ({"generator": generator}, "meta"),
        ({"generator": generator, "device": "cuda:1"}, "cuda:1"),
        ({"device": torch.device("cpu")}, "cpu"),
    ):
        with pytest.raises(Sent, match=want):
            evaluate(pixels(), pixels(), ["fd-untrained"], num_fakes=40, **options)


def test_the_device_is_recorded():
    (record,) = evaluate(pixels(), pixels(), ["fd-untrained"], num_fakes=40, device="cpu")
    assert record["device"] == "cpu"


def test_a_metric_that_fails_leaves_the_others_their_scores():
    """Images of 8 pixels are too small for MS-SSIM; what comes after it is scored and told all the same."""
    small, told = pixels()[:, :, :8, :8], []
    names = ["fd-untrained", "ms-ssim", "fd-untrained"]
    with pytest.raises(UserError, match="^ms-ssim: need two batches of images of at least 16 pixels"):
        evaluate(small, small, ["ms-ssim", *names[:1]], num_fakes=40, told=told.append)
    assert [[record["metric"] for record in records] for records in told] == [["fd-untrained"]]
