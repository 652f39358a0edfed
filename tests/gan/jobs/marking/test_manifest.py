"""Signatures: trusted, valid, invalid, absent; what they say; and manifests of strangers."""

import contextlib
import io
import random
import socket
import threading
from datetime import datetime, timezone

import numpy as np
import pytest
import torch
from PIL import Image

from gan.errors import UserError
from gan.jobs.marking import certificates, manifest
from gan.jobs.marking.certificates import CHAIN, PRIVATE, Trust, create, load, trust
from gan.jobs.marking.manifest import Credentials, Reader, Signer
from gan.jobs.marking.metadata import Origin, marked

c2pa = pytest.importorskip("c2pa", reason="the extra marks is not installed")

FORMS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}
ORIGIN = Origin(model="demo", digest="ab" * 32, seed=7)
WHEN = datetime(2026, 11, 30, 12, 0, 1, 500, timezone.utc)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve")
    create(folder, "Me")
    return folder


@pytest.fixture(scope="module")
def signer(folder):
    return Signer(load(folder))


@pytest.fixture(scope="module")
def reader(folder):
    return Reader(trust(folder))


def file(form="png", origin=ORIGIN):
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 40, 56), np.uint8))
    return marked(image, form, origin)


def pixels(data, form):
    return np.asarray(Image.open(io.BytesIO(data), formats=(FORMS[form],)))


@pytest.mark.parametrize("form", FORMS)
def test_a_signed_file_is_trusted_and_says_what_it_is(signer, reader, form):
    plain = file(form)
    data = signer.sign(plain, form, ORIGIN, WHEN)
    assert np.array_equal(pixels(data, form), pixels(plain, form))
    assert 2000 < len(data) - len(plain) < 5000  # no thumbnail
    assert reader.read(data, form) == Credentials(
        state="trusted",
        signer="Me, test certificate",
        when="2026-11-30T12:00:01Z",
        generated=True,
        digest="ab" * 32,
        seed=7,
    )
    assert reader.read(plain, form) == Credentials(state="absent")


@pytest.mark.parametrize("form", FORMS)
def test_a_changed_pixel_is_invalid(signer, reader, form):
    data = bytearray(signer.sign(file(form), form, ORIGIN))
    place = len(data) - 40  # within the pixels of each format
    data[place] ^= 1
    found = reader.read(bytes(data), form)
    assert found.state == "invalid" and found.failures


def test_a_file_saved_again_has_none(signer, reader):
    buffer = io.BytesIO()
    Image.open(io.BytesIO(signer.sign(file(), "png", ORIGIN)), formats=("PNG",)).save(buffer, "PNG")
    assert reader.read(buffer.getvalue(), "png") == Credentials(state="absent")


def test_a_forged_manifest_of_the_same_name_is_not_trusted(tmp_path, reader):
    create(tmp_path, "Me")
    data = Signer(load(tmp_path)).sign(file(), "png", ORIGIN)
    found = reader.read(data, "png")
    assert found.state == "valid" and found.signer == "Me, test certificate"
    assert found.failures == ("signingCredential.untrusted",)
    assert Reader(trust(tmp_path)).read(data, "png").state == "trusted"
    assert Reader(Trust()).read(data, "png").state == "valid"


def test_another_signer_of_the_same_authority_is_not_ours(folder, signer):
    """As where the certificate is one of a public authority."""
    data = signer.sign(file(), "png", ORIGIN)
    other = Trust(trust(folder).anchors, frozenset({"1"}))
    assert Reader(other).read(data, "png").state == "valid"


def test_a_manifest_moved_to_another_picture_is_invalid(signer, reader):
    data = signer.sign(file(), "png", ORIGIN)
    other = torch.zeros(3, 40, 56, dtype=torch.uint8)
    start = data.index(b"caBX") - 4
    box = data[start : start + 12 + int.from_bytes(data[start : start + 4], "big")]
    plain = marked(other, "png", ORIGIN)
    assert reader.read(plain[:33] + box + plain[33:], "png").state == "invalid"


def test_what_is_not_known_is_not_said(signer, reader):
    found = reader.read(signer.sign(file(origin=Origin()), "png", Origin()), "png")
    assert (found.state, found.digest, found.seed, found.generated) == ("trusted", None, None, True)


def test_damaged_manifests_end_nothing(signer, reader):
    """Bytes are overwritten and files cut, at random; none raises, and none of another signer is trusted."""
    rng, seen = random.Random(0), set()
    files = {form: signer.sign(file(form), form, ORIGIN) for form in FORMS}
    for _ in range(600):
        form = rng.choice(list(FORMS))
        data = bytearray(files[form])
        box = data.index(b"jumb")
        for _ in range(rng.choice((1, 3, 20))):
            data[rng.randrange(box - 8, min(box + 3200, len(data)))] = rng.choice(
                (0, 255, rng.randrange(256))
            )
        seen.add(reader.read(bytes(data[: rng.choice((None, rng.randrange(len(data))))]), form).state)
    assert {"invalid", "absent"} <= seen


@pytest.mark.parametrize("data", [b"", b"hello", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"PK\3\4" + bytes(99)])
def test_what_is_no_picture(reader, data):
    assert reader.read(data, "png") == Credentials(state="absent")


def test_nothing_is_fetched(reader, signer):
    """A manifest that lies elsewhere, by an address in XMP, is not asked for."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(1)

        def listen():
            with contextlib.suppress(OSError):
                asked.append(server.accept())

        thread = threading.Thread(target=listen)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/manifest.c2pa"
        buffer = io.BytesIO()
        with c2pa.Builder(manifest._described(ORIGIN, WHEN)) as builder:
            builder.set_no_embed()
            builder.set_remote_url(address)
            builder.sign(signer._signer, "image/png", io.BytesIO(file()), buffer)
        assert address.encode() in buffer.getvalue()
        found = reader.read(buffer.getvalue(), "png")
        thread.join()
    assert found.state != "trusted" and asked == []


def test_texts_of_strangers_are_cut(tmp_path, monkeypatch, reader):
    assert manifest._text("a\x1b[31m\n" + "b" * 500) == "a\N{REPLACEMENT CHARACTER}[31m" + (
        "\N{REPLACEMENT CHARACTER}" + "b" * 193
    )
    assert manifest._text(7) is None and manifest._text("") is None


def test_many_threads(signer, reader):
    data, found = file(), []

    def work():
        found.extend(reader.read(signer.sign(data, "png", ORIGIN), "png").state for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["trusted"] * 40


def test_a_certificate_that_c2pa_does_not_take(tmp_path):
    """One that may sign others, and not pictures."""
    identity = create(tmp_path, "Me")
    authority = (tmp_path / CHAIN).read_bytes().split(b"-----BEGIN")[2]
    wrong = certificates.Identity(**{**vars(identity), "chain": b"-----BEGIN" + authority})
    with pytest.raises(UserError, match="C2PA cannot sign as Me.*gan serve certificate create"):
        Signer(wrong)
    assert (tmp_path / PRIVATE).is_file()


def test_without_the_package(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "c2pa", None)
    with pytest.raises(UserError, match=r"c2pa-python.*pip install -e \".\[marks\]\""):
        Signer(load(folder))
    assert not manifest.available()
