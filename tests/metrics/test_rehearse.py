"""rehearse: one batch of each kind of metric, whatever the number that is asked for, and nothing kept."""

import pytest
import torch
from torch import nn

from gan.errors import UserError
from metrics import cache
from metrics.evaluate import rehearse
from metrics.features import Bank, Moments
from metrics.images import BATCH, ArrayImages
from metrics.networks import Networks
from tests.training.tiny import tiny_state


class Counted(ArrayImages):
    """Images that note what was read."""

    def __init__(self, count):
        super().__init__(torch.randint(0, 256, (count, 3, 16, 16), dtype=torch.uint8))
        self.spans = []

    def read(self, start, stop):
        self.spans.append((start, stop))
        return super().read(start, stop)


class Perceptual(nn.Module):
    """In the place of LPIPS; notes its batches."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))
        self.batches = []

    def features(self, images):
        self.batches.append(len(images))
        return images.flatten(1)

    def forward(self, a, b):
        return (self.features(a) - self.features(b)).square().sum(1)


@pytest.fixture
def networks():
    found = Networks()
    found._built["lpips"] = Perceptual()
    return found


def test_features_take_one_batch_of_each_set_and_keep_nothing(monkeypatch, networks):
    def kept(*_):
        raise AssertionError("something was kept")

    for holder, name in ((cache, "store"), (Moments, "add"), (Bank, "add")):
        monkeypatch.setattr(holder, name, kept)
    batches, honest = [], networks["untrained"].features
    monkeypatch.setattr(networks["untrained"], "features", lambda x: batches.append(len(x)) or honest(x))
    real, fake = Counted(30), Counted(1000)
    rehearse(real, fake, ["fd-untrained"], generator=None, networks=networks)
    assert real.spans == [(0, 30)] and fake.spans == [(0, BATCH)]
    assert batches == [2, BATCH // 16]  # parts of 16


@pytest.mark.parametrize(
    ("name", "batches"), [("lpips-diversity", [8] * 8), ("ppl-w-end", [16] * 4), ("ms-ssim", [])]
)
def test_others_take_a_few_of_their_own_batches(name, batches, networks):
    generator = tiny_state().ema
    rehearse(Counted(4), Counted(100), [name], generator=generator, networks=networks)
    assert networks["lpips"].batches == batches


def test_a_number_that_cannot_be_had_from_so_few_is_nobodys_fault(networks):
    fake = ArrayImages(torch.zeros(100, 3, 8, 8, dtype=torch.uint8))  # too small for MS-SSIM's five scales
    rehearse(fake, fake, ["ms-ssim"], generator=None, networks=networks)


def test_what_a_metric_lacks_is_said(networks):
    with pytest.raises(UserError, match="eq-t needs a model whose input can be moved"):
        rehearse(Counted(4), Counted(4), ["eq-t"], generator=tiny_state().ema, networks=networks)
