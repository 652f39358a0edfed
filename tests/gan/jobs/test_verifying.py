"""Is this picture ours: every look by itself, and what survives a picture's being saved again."""

import hashlib
import io
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from gan.errors import UsageError, UserError
from gan.jobs import marking_files, verifying
from gan.jobs.marking import manifest
from gan.jobs.marking.metadata import Origin, marked
from gan.jobs.serving import audit
from gan.jobs.serving.audit import Audit
from gan.jobs.uploads import MOST_BYTES
from gan.jobs.verifying import Verifier, lines, pixel_hash, verify_files
from tests.gan.jobs.marked import encoded, photograph, state
from tests.gan.jobs.test_uploads import HOSTILE, chunk

pytest.importorskip("c2pa", reason="the extra marks is not installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(state folder, a marked PNG)"""
    folder = tmp_path_factory.mktemp("marks")
    (folder / "photo.png").write_bytes(encoded(photograph()))
    state(folder / "serve")
    marking_files.mark([folder / "photo.png"], folder / "out", folder / "serve")
    return folder / "serve", (folder / "out" / "photo.png").read_bytes()


@pytest.fixture
def folder(made, tmp_path):
    """A copy of the state folder."""
    return shutil.copytree(made[0], tmp_path / "serve")


def states(verdict):
    return {name: found.state for name, found in verdict.findings().items()}


def again(data, form="PNG"):
    """The picture in a file, saved by another program, which keeps no metadata."""
    image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP"))
    return encoded(np.asarray(image.convert("RGB")), form)


def test_a_marked_picture_is_ours_by_signature_and_watermark(made):
    folder, data = made
    found = Verifier(folder).verify(data)
    assert states(found) == {
        "c2pa": "trusted",
        "watermark": "found",
        "exact": "unchecked",
        "metadata": "said",
    }
    assert found.ours and found.confidence == 1.0 and found.c2pa.ours and found.watermark.ours
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert (found.format, found.width, found.height) == ("png", 256, 256)
    assert "Me, test certificate" in found.c2pa.text and "no time stamp" in found.c2pa.text
    assert found.watermark.facts["key"] == found.watermark.facts["model"] == "0000"
    assert "key" not in found.without("key").watermark.facts and found.without("key").ours
    assert found.watermark.confidence == 1 - found.watermark.facts["error"] > 0.999
    assert not found.metadata.ours and found.metadata.confidence is None
    assert found.metadata.facts["text"] == "model unknown"


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_saved_again_the_watermark_is_left(made, form):
    found = Verifier(made[0]).verify(again(made[1], form))
    assert states(found) == {
        "c2pa": "absent",
        "watermark": "found",
        "exact": "unchecked",
        "metadata": "absent",
    }
    assert found.ours and 0.999 < found.confidence <= 1.0


def test_a_changed_byte_is_invalid_and_still_watermarked(made):
    """A word of its texts, in a chunk that is whole: the pixels stay."""
    true, false = (chunk(b"tEXt", b"AI-generated\0" + word)[4:] for word in (b"true", b"TRUE"))
    data = made[1].replace(true, false)
    assert data != made[1]
    found = Verifier(made[0]).verify(data)
    assert found.c2pa.state == "invalid" and not found.c2pa.ours and found.c2pa.facts == {}
    assert found.watermark.ours and found.ours


def test_of_a_stranger(made, tmp_path):
    """Another secret, and another certificate of the same name."""
    found = Verifier(state(tmp_path / "other")).verify(made[1])
    assert (found.c2pa.state, found.watermark.state, found.ours, found.confidence) == (
        "valid",
        "absent",
        False,
        None,
    )
    assert "somebody whom we do not know, who says to be Me, test certificate" in found.c2pa.text


def test_an_unmarked_picture(made):
    found = Verifier(made[0]).verify(encoded(photograph()))
    assert states(found) == {
        "c2pa": "absent",
        "watermark": "absent",
        "exact": "unchecked",
        "metadata": "absent",
    }
    assert not found.ours and found.confidence is None


def test_a_folder_without_anything(made, tmp_path, monkeypatch):
    found = Verifier(tmp_path / "none").verify(made[1])
    assert states(found)["watermark"] == states(found)["exact"] == "unchecked"
    assert found.c2pa.state == "valid" and not found.ours and not (tmp_path / "none").exists()
    monkeypatch.setattr(manifest, "available", lambda: False)
    assert Verifier(made[0]).verify(made[1]).c2pa.state == "unchecked"


def logged(folder, data, **given):
    """An audit log in which that file left, as the second of two."""
    upload = np.asarray(Image.open(io.BytesIO(data), formats=("PNG",)))
    record = {"event": audit.MADE, "model": "demo", "digest": "ab" * 32, "seeds": [3, 4]}
    record |= {
        "sha256": [None, hashlib.sha256(data).hexdigest()],
        "pixels": [None, pixel_hash(upload)],
        **given,
    }
    log = Audit(folder)
    log.append({"event": "started"})
    log.append(record)
    log.append({"event": "ended"})
    log.close()


def test_exactly_the_file_or_its_pixels(made, folder):
    logged(folder, made[1])
    found = Verifier(folder).verify(made[1]).exact
    assert (found.state, found.ours, found.confidence) == ("file", True, 1.0)
    assert found.facts == {"line": 2, "when": found.facts["when"], "model": "demo", "seed": 4} | {
        "digest": f"sha256:{'ab' * 32}"
    }
    found = Verifier(folder).verify(again(made[1])).exact
    assert (found.state, found.ours, found.facts["seed"]) == ("pixels", True, 4)
    assert Verifier(folder).verify(again(made[1], "JPEG")).exact.state == "absent"


def test_what_clients_typed_into_the_log_is_no_proof(made, folder):
    """A name of a model may be any text, also a hash; and a line that was edited counts for nothing."""
    logged(
        folder, made[1], sha256=[None, None], pixels=[None, None], model=hashlib.sha256(made[1]).hexdigest()
    )
    assert Verifier(folder).verify(made[1]).exact.state == "absent"
    log = folder / audit.FILE
    log.unlink()
    logged(folder, made[1])
    log.write_text(log.read_text().replace('"seeds": [3, 4]', '"seeds": [3, 5]'))
    assert Verifier(folder).verify(made[1]).exact.state == "absent"


def test_an_empty_log(made, folder):
    (folder / audit.FILE).touch()
    assert Verifier(folder).verify(made[1]).exact.state == "absent"


def test_pixel_hashes():
    pixels = photograph(16)
    opaque = np.dstack([pixels, np.full((16, 16), 255, np.uint8)])
    clear = np.dstack([pixels, np.full((16, 16), 254, np.uint8)])
    assert pixel_hash(opaque) == pixel_hash(pixels) != pixel_hash(clear)
    assert pixel_hash(pixels.reshape(8, 32, 3)) != pixel_hash(pixels)


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_claims_are_said_and_no_proof(made, form):
    image = torch.from_numpy(photograph(32)).permute(2, 0, 1)
    data = marked(image, form, Origin(model="x", digest="cd" * 32, seed=5))
    found = Verifier(made[0]).verify(data)
    assert found.metadata.state == "said" and not found.ours
    assert found.metadata.facts["text"] == f"model x, sha256:{'cd' * 32}, seed 5"


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused_in_one_line(made, kind):
    with pytest.raises(UsageError) as refused:
        Verifier(made[0]).verify(HOSTILE[kind])
    assert "\n" not in str(refused.value)


def test_files(made, tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad\n.png"
    good.write_bytes(made[1])
    bad.write_text("hello")
    found = verify_files([good, bad, tmp_path / "none.png"], made[0])
    assert [name for name, _ in found] == [
        str(good),
        str(bad).replace("\n", "\\n"),
        str(tmp_path / "none.png"),
    ]
    assert found[0][1].ours and "no PNG, JPEG or WebP" in found[1][1] and "cannot read" in found[2][1]
    head, *rows = lines(*found[0])
    assert head == f"{good}: ours, by c2pa, watermark" and len(rows) == 4 and "\n" not in "".join(rows)
    assert lines(*found[1])[0].startswith(found[1][0] + ": not looked at: ")
    assert "nothing says that it is ours" in lines("x", Verifier(made[0]).verify(encoded(photograph())))[0]


def test_no_more_of_a_file_is_read_than_is_looked_at(tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    assert len(verifying.content(tmp_path / "large")) == MOST_BYTES + 1
    with pytest.raises(UserError, match="cannot read"):
        verifying.content(tmp_path)
