"""Certificates: made, read, told from others, and refused in words where they cannot be used."""

import datetime
import stat

import pytest

from gan.errors import UsageError, UserError
from gan.jobs.marking import certificates
from gan.jobs.marking.certificates import CHAIN, PRIVATE, create, load, trust

x509 = pytest.importorskip("cryptography.x509", reason="the extra marks is not installed")


def chain(folder, name=CHAIN):
    return x509.load_pem_x509_certificates((folder / name).read_bytes())


def test_a_test_certificate(tmp_path):
    made = create(tmp_path / "serve", "Me & Co", 30)
    assert stat.S_IMODE((tmp_path / "serve" / PRIVATE).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "serve").stat().st_mode) == 0o700
    leaf, authority = chain(tmp_path / "serve")
    leaf.verify_directly_issued_by(authority)
    authority.verify_directly_issued_by(authority)
    assert made.name == "Me & Co, test certificate" and made.algorithm == "es256"
    left = made.until - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=29.9) < left <= datetime.timedelta(days=30)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and not usage.key_cert_sign
    (purpose,) = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert purpose == x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert load(tmp_path / "serve") == made


def test_no_key_of_the_authority_stays(tmp_path):
    create(tmp_path, "Me")
    assert sorted(path.name for path in tmp_path.iterdir()) == [PRIVATE, CHAIN]
    key = load(tmp_path).key
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    assert load_pem_private_key(key, None).public_key() == chain(tmp_path)[0].public_key()


def test_an_earlier_certificate_is_kept_and_known(tmp_path):
    create(tmp_path, "Me")
    with pytest.raises(UsageError, match="rename certificate.pem to certificate-old.pem"):
        create(tmp_path, "Me")
    first = chain(tmp_path)[0].serial_number
    (tmp_path / CHAIN).rename(tmp_path / "certificate-old.pem")
    with pytest.raises(UsageError, match=f"there is .*{PRIVATE} already"):
        create(tmp_path, "Me")
    (tmp_path / PRIVATE).unlink()
    create(tmp_path, "Me")
    known = trust(tmp_path)
    assert known.serials == {str(first), str(chain(tmp_path)[0].serial_number)}
    assert known.anchors.count("BEGIN CERTIFICATE") == 2
    assert trust(tmp_path / "none") == certificates.Trust()


def test_own_files_go_before_those_of_the_folder(tmp_path):
    create(tmp_path / "folder", "Folder")
    create(tmp_path / "own", "Own")
    own = tmp_path / "own" / CHAIN, tmp_path / "own" / PRIVATE
    assert load(tmp_path / "folder", *own).name == "Own, test certificate"
    assert load(tmp_path / "none") is None
    assert len(trust(tmp_path / "folder", own[0]).serials) == 2


def test_what_cannot_be_used(tmp_path):
    create(tmp_path / "a", "A")
    create(tmp_path / "b", "B")
    a, b = ((tmp_path / name / CHAIN, tmp_path / name / PRIVATE) for name in "ab")
    with pytest.raises(UserError, match="is not the key of"):
        load(tmp_path, a[0], b[1])
    with pytest.raises(UserError, match="cannot read .*none.pem"):
        load(tmp_path, tmp_path / "none.pem", a[1])
    with pytest.raises(UserError, match="holds no PEM certificate"):
        load(tmp_path, a[1], a[1])
    with pytest.raises(UserError, match="holds no PEM private key"):
        load(tmp_path, a[0], a[0])
    b[0].unlink()
    with pytest.raises(UserError, match=f"cannot read .*{CHAIN}"):
        load(tmp_path / "b")


def test_a_key_that_is_locked(tmp_path):
    from cryptography.hazmat.primitives import serialization

    create(tmp_path, "A")
    key = serialization.load_pem_private_key((tmp_path / PRIVATE).read_bytes(), None)
    form, code = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    locked = key.private_bytes(code, form, serialization.BestAvailableEncryption(b"secret"))
    (tmp_path / PRIVATE).write_bytes(locked)
    with pytest.raises(UserError, match="locked by a password"):
        load(tmp_path)


def test_a_certificate_that_has_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(certificates, "_EARLY", datetime.timedelta(days=3))
    with pytest.raises(UserError, match="is valid from .*, not today"):
        create(tmp_path, "A", -1)


@pytest.mark.parametrize("name", ["", " ", "x" * 41, "a\nb", "a\0"])
def test_bad_names(tmp_path, name):
    with pytest.raises(UsageError, match="is no name of a signer"):
        create(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cryptography.x509", None)
    with pytest.raises(UserError, match=r"cryptography.*pip install -e \".\[marks\]\""):
        create(tmp_path, "Me")
