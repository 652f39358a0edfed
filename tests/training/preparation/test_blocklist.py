"""Lists of hashes: what meets them, in which form, and what is refused as a list."""

import numpy as np
import pytest

from gan.errors import UserError
from tests.training.preparation import scenes
from training.preparation import blocklist, hashes

LISTED = scenes.scene(1)
PHASH = f"{hashes.perceptual(LISTED):016x}"


def asked(listed, rgb, file_sha256="0" * 64):
    return listed.reason((file_sha256, hashes.exact(rgb)), hashes.thumbnail(rgb))


def written(folder, text):
    path = folder / "blocklist.txt"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["sha256:{}", "{}", "  {}  # why", "SHA256:{}"])
def test_exact(tmp_path, form):
    digest = hashes.exact(LISTED)
    listed = blocklist.read(written(tmp_path, f"# list\n\n{form.format(digest)}\n"))
    assert len(listed) == 1
    assert asked(listed, LISTED) == f"blocklist sha256:{digest}"
    assert asked(listed, scenes.scene(2)) is None
    assert asked(listed, scenes.scene(2), file_sha256=digest) == f"blocklist sha256:{digest}"


@pytest.mark.parametrize("form", ["phash:{}", "{}", "PHASH:{}"])
def test_perceptual(tmp_path, form):
    """Its copies meet it as well, mirrored and cropped ones too; other pictures do not."""
    listed = blocklist.read(written(tmp_path, form.format(PHASH.upper() if form == "{}" else PHASH)))
    copies = scenes.copies(LISTED, np.random.default_rng(0))
    met = [kind for kind, rgb in copies.items() if asked(listed, rgb) == f"blocklist phash:{PHASH}"]
    whole = {"JPEG 30", "JPEG 75", "resized 0.4", "resized 1.7", "mirrored", "recoloured, saturation"}
    assert whole <= set(met)
    assert not any(asked(listed, scenes.scene(seed)) for seed in range(2, 40))


def test_a_picture_of_which_a_part_is_listed():
    part = scenes.cropped(LISTED, 0.85, 1 / 3, 2 / 3)
    listed = blocklist.Blocklist((), [hashes.perceptual(part)])
    assert asked(listed, LISTED) and asked(listed, np.ascontiguousarray(LISTED[:, ::-1]))


def test_radius():
    far = int(PHASH, 16) ^ 0b11111
    assert asked(blocklist.Blocklist((), [far]), LISTED) is None
    assert asked(blocklist.Blocklist((), [far], radius=5), LISTED) == f"blocklist phash:{far:016x}"


def test_without_pixels_only_files_are_known():
    listed = blocklist.Blocklist(["a" * 64], [int(PHASH, 16)])
    assert listed.reason((None, None), None) is None
    assert listed.reason(("a" * 64, None), None) == f"blocklist sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a" * 64 + "\nnonsense\n", r"line 2 is no hash \('nonsense'\): write 64 hex digits"),
        ("md5:" + "a" * 32, "line 1 is no hash"),
        ("a" * 63, "line 1 is no hash"),
        ("phash:" + "a" * 64, "line 1 is no hash"),
        ("sha256:" + "a" * 16, "line 1 is no hash"),
        ("# nothing\n\n", "holds no hash"),
        ("", "holds no hash"),
    ],
)
def test_a_list_with_a_line_that_is_no_hash_is_refused_whole(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        blocklist.read(written(tmp_path, text))


def test_lists_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for place in (tmp_path / "absent", tmp_path / "binary", tmp_path):
        with pytest.raises(UserError, match=f"the blocklist {place} cannot be read"):
            blocklist.read(place)
    monkeypatch.setattr(blocklist, "MAX_BYTES", 10)
    with pytest.raises(UserError, match="has 64 bytes, more than 10"):
        blocklist.read(written(tmp_path, "a" * 64))
