"""Which GPU a process takes: that of its number on the machine, made its own."""

import pytest
import torch

from gan import devices
from gan.errors import UsageError


@pytest.fixture
def four(monkeypatch):
    """Four GPUs that nobody has; the devices that were made current."""
    current = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setattr(torch, "empty", lambda *size, device: None)
    return current


@pytest.mark.parametrize(
    ("name", "rank", "index"),
    [("auto", 0, 0), ("auto", 2, 2), ("cuda", 3, 3), ("cuda", 6, 2), ("cuda:1", 3, 1)],
)
def test_the_number_of_the_process_decides(name, rank, index, four, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    assert devices.pick(name) == torch.device("cuda", index)
    assert four == [torch.device("cuda", index)]


def test_a_cpu_is_nobodys_own(four):
    assert devices.pick("cpu") == torch.device("cpu") and four == []


def test_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert devices.pick("auto") == torch.device("cpu")
    with pytest.raises(UsageError, match="--device nothing: .*; use cpu, or cuda on a GPU"):
        devices.pick("nothing")
