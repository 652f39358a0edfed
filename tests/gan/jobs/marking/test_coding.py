"""The code of a watermark: what it says comes back, errors are mended, and what is no message is none."""

import numpy as np
import pytest

from gan.jobs.marking.coding import SYMBOLS, Payload, decoded, encoded


def test_payloads_come_back():
    rng = np.random.default_rng(0)
    for key, model in [(0, 0), (2**16 - 1, 2**16 - 1), *rng.integers(0, 2**16, (20, 2)).tolist()]:
        payload = Payload(key=key, model=model)
        symbols = encoded(payload)
        assert symbols.shape == (SYMBOLS,) and set(symbols) <= {-1.0, 1.0}
        assert decoded(symbols) == payload and decoded(3 * symbols) == payload


def test_the_code_by_polynomials():
    """A code word is the product of the bits with each generator, over the field of two elements."""
    payload = Payload(key=0xA53C, model=0x1234)
    words = (1 - encoded(payload).reshape(-1, 3)) / 2
    first = np.r_[np.unpackbits(np.frombuffer(b"\xa5\x3c\x12\x34", np.uint8))]
    for column, octal in enumerate(("133", "145", "175")):
        generator = [int(bit) for bit in f"{int(octal, 8):07b}"]
        assert np.array_equal(words[:32, column], np.convolve(first, generator)[:32] % 2)


def test_errors_are_mended():
    """A free distance of 15: seven wrong signs are mended wherever they are."""
    rng = np.random.default_rng(1)
    payload = Payload(key=5, model=65_000)
    for _ in range(50):
        symbols = encoded(payload)
        symbols[rng.choice(SYMBOLS, 7, replace=False)] *= -1
        assert decoded(symbols) == payload


def test_a_sure_symbol_counts_for_more():
    rng = np.random.default_rng(3)
    payload = Payload(key=77, model=3)
    symbols = encoded(payload)
    symbols[rng.choice(SYMBOLS, 50, replace=False)] *= -0.1
    assert decoded(symbols) == payload and decoded(np.sign(symbols)) != payload


def test_noise_is_no_message():
    rng = np.random.default_rng(2)
    assert [decoded(rng.normal(size=SYMBOLS)) for _ in range(200)] == [None] * 200
    assert decoded(np.zeros(SYMBOLS)) is None


@pytest.mark.parametrize("value", [-1, 2**16])
def test_what_does_not_fit(value):
    with pytest.raises(ValueError, match="from 0 to 65535"):
        Payload(key=value, model=0)
