"""The secret of the watermark: made once, kept from others, refused where it is damaged."""

import os
import stat

import pytest

from gan.errors import UserError
from gan.jobs.marking.secret import BYTES, FILE, kept_secret, secret_of


def test_made_once(tmp_path):
    folder = tmp_path / "serve"
    assert kept_secret(folder) is None and not folder.exists()
    secret = secret_of(folder)
    assert len(secret) == BYTES and secret_of(folder) == secret == kept_secret(folder)
    assert secret_of(tmp_path / "other") != secret
    assert [path.name for path in folder.iterdir()] == [FILE]
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_of_two_that_make_it_one_prevails(tmp_path, monkeypatch):
    """The other process makes it between the look and the link."""
    real = os.link

    def late(source, target):
        monkeypatch.setattr(os, "link", real)
        (tmp_path / FILE).write_bytes(b"\1" * BYTES)
        real(source, target)

    monkeypatch.setattr(os, "link", late)
    assert secret_of(tmp_path) == b"\1" * BYTES
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("data", [b"", b"x" * (BYTES - 1), b"x" * (BYTES + 1)])
def test_damaged(tmp_path, data):
    (tmp_path / FILE).write_bytes(data)
    for read in (kept_secret, secret_of):
        with pytest.raises(UserError, match=f"does not have {BYTES} bytes"):
            read(tmp_path)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "serve").write_text("")
    with pytest.raises(UserError, match="cannot (read|write) .*watermark.key"):
        secret_of(tmp_path / "serve")
