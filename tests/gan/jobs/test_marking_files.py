"""`gan mark`: new files with every mark that they can carry, and originals as they were."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from gan.errors import UsageError, UserError
from gan.jobs.marking_files import line, mark, record
from gan.jobs.verifying import Verifier
from tests.gan.jobs.marked import encoded, photograph, state
from tests.gan.runs import write_run

pytest.importorskip("c2pa", reason="the extra marks is not installed")


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, form in (("a.png", "PNG"), ("b.jpg", "JPEG"), ("c.webp", "WEBP")):
        (folder / name).write_bytes(encoded(photograph(), form))
    return sorted(folder.iterdir())


def test_every_format_carries_every_mark(photos, tmp_path):
    folder, before = state(tmp_path / "serve"), [photo.read_bytes() for photo in photos]
    made = mark(photos, tmp_path / "out", folder)
    assert [photo.read_bytes() for photo in photos] == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.jpg", "c.webp"]
    for file, form in zip(made, ("png", "jpeg", "webp"), strict=True):
        assert file.watermark and file.signed and file.why == ""
        found = Verifier(folder).verify((tmp_path / "out" / file.path.rpartition("/")[2]).read_bytes())
        assert found.format == form and found.c2pa.state == "trusted" and found.metadata.state == "said"
        assert found.watermark.state == "found" and line(file).endswith(": metadata, watermark, C2PA")


def test_without_a_certificate_nothing_is_signed_and_it_is_said(photos, tmp_path):
    (made,) = mark(photos[:1], tmp_path / "out", tmp_path / "serve")
    assert made.watermark and not made.signed and "gan serve certificate create --name" in made.why
    assert record(made)["signed"] is False and "C2PA" not in line(made).partition("(")[0]
    assert Verifier(tmp_path / "serve").verify((tmp_path / "out" / "a.png").read_bytes()).ours


def opened(path, form):
    return Image.open(io.BytesIO(path.read_bytes()), formats=(form,))


def test_what_cannot_carry_a_watermark_keeps_its_pixels_and_it_is_said(tmp_path):
    small = photograph()[:12, :12]
    (tmp_path / "small.png").write_bytes(encoded(small))
    (made,) = mark([tmp_path / "small.png"], tmp_path / "out", state(tmp_path / "serve"))
    assert not made.watermark and made.signed and made.why == "no watermark: this picture cannot carry it"
    assert np.array_equal(np.asarray(opened(tmp_path / "out" / "small.png", "PNG")), small)


def test_the_model_that_made_them(photos, tmp_path):
    run, folder = write_run(tmp_path / "run"), state(tmp_path / "serve")
    mark(photos[:1], tmp_path / "out", folder, run)
    weights = run / "checkpoints" / "000012" / "generator.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    found = Verifier(folder).verify((tmp_path / "out" / "a.png").read_bytes())
    assert found.c2pa.facts["digest"] == digest and found.watermark.facts["model"] == digest[:4]
    assert found.metadata.facts["text"] == f"model run, sha256:{digest}"


def test_nothing_is_written_over(photos, tmp_path):
    with pytest.raises(UsageError, match="there is .*a.png already"):
        mark(photos, photos[0].parent, tmp_path / "serve")
    twin = tmp_path / "more" / "A.png"
    twin.parent.mkdir()
    twin.write_bytes(photos[0].read_bytes())
    with pytest.raises(UsageError, match="two pictures are named A.png"):
        mark([photos[0], twin], tmp_path / "out", tmp_path / "serve")
    assert not (tmp_path / "out").exists() and not (tmp_path / "serve").exists()


def test_what_is_no_picture(tmp_path):
    (tmp_path / "x.png").write_text("hello")
    with pytest.raises(UserError, match=r"x.png: this file is no PNG, JPEG or WebP"):
        mark([tmp_path / "x.png"], tmp_path / "out", tmp_path / "serve")
    assert not (tmp_path / "out").exists()


def test_a_turned_photograph_is_upright_and_grey_stays_grey(tmp_path):
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photograph()[:, :200]).save(buffer, "JPEG", exif=exif.tobytes(), quality=95)
    (tmp_path / "turned.jpg").write_bytes(buffer.getvalue())
    Image.fromarray(photograph()[:, :, 0]).save(tmp_path / "grey.png")
    mark([tmp_path / "turned.jpg", tmp_path / "grey.png"], tmp_path / "out", tmp_path / "serve")
    turned = opened(tmp_path / "out" / "turned.jpg", "JPEG")
    assert turned.size == (256, 200) and turned.getexif().get(0x0112) is None
    assert opened(tmp_path / "out" / "grey.png", "PNG").mode == "L"
