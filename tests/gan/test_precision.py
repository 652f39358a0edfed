"""The context of scores: what it turns off while it lasts, and that all is as before after it."""

import pytest
import torch

from gan import precision

CUDNN, MATMUL = torch.backends.cudnn, torch.backends.cuda.matmul
OPERANDS = (MATMUL, CUDNN.conv, CUDNN.rnn, torch.backends.mkldnn.matmul, torch.backends.mkldnn.conv)


def settings() -> tuple:
    """All that the context sets, by both of PyTorch's interfaces."""
    older = torch.get_float32_matmul_precision(), MATMUL.allow_tf32, CUDNN.allow_tf32
    cast = tuple(torch.is_autocast_enabled(device) for device in ("cpu", "cuda"))
    operands = tuple(owner.fp32_precision for owner in OPERANDS)
    return (CUDNN.benchmark, CUDNN.deterministic, *older, *operands, *cast)


EXACT = (False, True, "highest", False, False, *["ieee"] * 5, False, False)


@pytest.fixture(autouse=True)
def restored():
    """Whatever a test sets does not reach the next."""
    before = CUDNN.benchmark, CUDNN.deterministic, CUDNN.allow_tf32
    yield
    torch.set_float32_matmul_precision("highest")
    torch.backends.mkldnn.conv.fp32_precision = "none"
    CUDNN.benchmark, CUDNN.deterministic, CUDNN.allow_tf32 = before


@pytest.mark.parametrize("how", ["highest", "high", "medium"])
def test_float32_stays_float32_and_all_is_restored(how):
    torch.set_float32_matmul_precision(how)
    CUDNN.benchmark, CUDNN.allow_tf32 = True, True
    with torch.autocast("cpu", torch.bfloat16):
        before = settings()
        with precision.exact():
            assert settings() == EXACT and precision.in_effect() == "float32"
            with precision.exact():  # as scores are called within training's own scoring
                assert settings() == EXACT
            assert settings() == EXACT
        assert settings() == before != EXACT


def test_restored_after_an_error():
    before = settings()
    with pytest.raises(KeyError), precision.exact():
        raise KeyError
    assert settings() == before


def test_a_program_with_the_newer_interface_alone_keeps_its_settings():
    """Then the older one cannot be read, and says so."""
    CUDNN.conv.fp32_precision = "ieee"
    with pytest.raises(RuntimeError):
        CUDNN.allow_tf32  # noqa: B018 (its reading fails)
    before = [owner.fp32_precision for owner in OPERANDS]
    with precision.exact():
        assert settings() == EXACT
    assert [owner.fp32_precision for owner in OPERANDS] == before


def test_products_within_are_not_rounded():
    """oneDNN rounds operands to bfloat16 under "medium", where the processor has it; never within."""
    a, b = torch.rand(64, 64), torch.rand(64, 64)
    want = a @ b
    torch.set_float32_matmul_precision("medium")
    with torch.autocast("cpu", torch.bfloat16):
        assert (a @ b).dtype == torch.bfloat16
        with precision.exact():
            assert torch.equal(a @ b, want)


def test_what_is_in_effect_is_said():
    assert precision.in_effect() == "tf32"  # cuDNN's convolutions, by default
    with precision.backends(tf32=False, benchmark=False):
        assert precision.in_effect() == "float32"
        with torch.autocast("cpu", torch.bfloat16):
            assert precision.in_effect() == "float32+autocast"
    with precision.backends(tf32=True, benchmark=True):
        assert CUDNN.benchmark and MATMUL.allow_tf32 and precision.in_effect() == "tf32"
