"""The steps from an image to a file: their order, and that nothing goes on of what is held back."""

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from gan.jobs.serving import finishing
from gan.jobs.serving.filters import Verdict
from gan.jobs.serving.finishing import STEPS, Tools, finished, sign
from gan.jobs.serving.orders import Job, Order
from gan.jobs.serving.times import Times
from gan.jobs.verifying import pixel_hash
from tests.gan.jobs.serving.sample_key import KEY

IMAGE = torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


class Told:
    """Filters and watermark that take down what they see. verdict: of the filters; after: of the mark."""

    def __init__(self, verdict=None, after=None):
        self.seen, self.after = [], after
        self.given = verdict or Verdict()

    def verdict(self, image):
        self.seen.append(("filters", tuple(image.shape)))
        return self.given

    def mark(self, image, key, digest, verdict):
        self.seen.append(("mark", tuple(image.shape), key.number, digest))
        return 255 - image, True, self.after or verdict


class Signer:
    def __init__(self):
        self.seen = []

    def sign(self, data, form, origin, verdict):
        self.seen.append((data, form, str(origin)))
        if data is None:
            return None, False, verdict
        return data + b"signed", True, verdict


def job(**given):
    return Job(key=KEY, order=Order(model="m", seeds=(7,), **given), digest="d" * 64)


def tools(told):
    return Tools(filters=told, watermarking=told, times=Times())


def decoded(data):
    return torch.from_numpy(np.array(Image.open(io.BytesIO(data)))).permute(2, 0, 1)


def test_the_order_is_that_of_the_list():
    names = [step.__name__ for step in STEPS]
    assert names == ["judge", "withhold", "resize", "watermark", "encode"]
    for name in names:
        assert f"    {name} " in finishing.__doc__


def test_one_image_from_step_to_step():
    """Judged as it was drawn, made larger, marked then, and the file holds what was marked."""
    told = Told()
    work = tools(told)
    made = finished(work, job(size=32), 7, IMAGE)
    assert told.seen == [("filters", (3, 16, 16)), ("mark", (3, 32, 32), KEY.number, "d" * 64)]
    shown = decoded(made.data)
    assert shown.shape == (3, 32, 32) and made.marked and not made.signed
    assert made.pixels == pixel_hash(shown.permute(1, 2, 0).numpy())
    assert Image.open(io.BytesIO(made.data)).text["Source"].endswith("seed 7")
    assert set(work.times.seconds()) == {step.__name__ for step in STEPS}


def test_formats_without_the_hash_of_pixels():
    made = finished(tools(Told()), job(form="jpeg"), 7, IMAGE)
    assert made.pixels is None and Image.open(io.BytesIO(made.data)).format == "JPEG"


def test_nothing_goes_on_of_a_blocked_image():
    told = Told(Verdict(action="block", reason="blocklist"))
    made = finished(tools(told), job(size=32), 7, IMAGE)
    assert (made.data, made.marked, made.pixels) == (None, False, None)
    assert [name for name, *_ in told.seen] == ["filters"]


def test_what_cannot_carry_the_mark_is_held_back_where_it_must():
    told = Told(after=Verdict(action="block", reason="watermark"))
    made = finished(tools(told), job(), 7, IMAGE)
    assert made.data is None and str(made.verdict) == "watermark"


def test_the_signature_is_over_the_whole_file():
    made, signer = finished(tools(Told()), job(), 7, IMAGE), Signer()
    signed = sign(signer, job(), made)
    assert signed.data == made.data + b"signed" and signed.signed and signed.pixels == made.pixels
    assert signer.seen == [(made.data, "png", f"model m, sha256:{'d' * 64}, seed 7")]
    assert hashlib.sha256(signed.data).digest() != hashlib.sha256(made.data).digest()
    held = sign(signer, job(), replace(made, data=None, verdict=Verdict(action="block", reason="x")))
    assert held.data is None and held.pixels is None and not held.signed


def test_times_add_up_also_of_what_fails():
    times = Times()
    with times.of("a"):
        pass
    with pytest.raises(ValueError), times.of("a"):
        raise ValueError
    assert list(times.seconds()) == ["a"] and times.seconds()["a"] > 0
