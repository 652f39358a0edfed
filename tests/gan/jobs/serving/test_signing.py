"""What leaves is signed, and what happens where it cannot be."""

import datetime
import io

import pytest
from PIL import Image

from gan.errors import UserError
from gan.jobs.marking import certificates
from gan.jobs.marking.certificates import CHAIN, PRIVATE, create, trust
from gan.jobs.marking.manifest import Reader, Signer
from gan.jobs.marking.metadata import Origin
from gan.jobs.serving.filters import Verdict
from gan.jobs.serving.settings import ServeConfig
from gan.jobs.serving.signing import UNSIGNED, Signing

pytest.importorskip("c2pa", reason="the extra marks is not installed")

ORIGIN, ALLOWED = Origin(model="m", digest="ab" * 32, seed=1), Verdict(content=0.1)


def signing(folder, **given):
    return Signing(ServeConfig(state=str(folder), **given))


@pytest.fixture
def file():
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "PNG")
    return buffer.getvalue()


def test_signed_where_there_is_a_certificate(tmp_path, file):
    create(tmp_path, "Me")
    for given in ({}, {"c2pa": "on"}):
        data, signed, verdict = signing(tmp_path, **given).sign(file, "png", ORIGIN, ALLOWED)
        assert signed and verdict == ALLOWED
        assert Reader(trust(tmp_path)).read(data, "png").state == "trusted"
    off = signing(tmp_path, c2pa="off").sign(file, "png", ORIGIN, ALLOWED)
    none = signing(tmp_path / "none").sign(file, "png", ORIGIN, ALLOWED)
    assert off == none == (file, False, ALLOWED)
    blocked = Verdict(action="block", reason="blocklist")
    assert signing(tmp_path).sign(None, "png", ORIGIN, blocked) == (None, False, blocked)


def test_on_without_a_certificate_does_not_start(tmp_path):
    with pytest.raises(UserError, match="c2pa is on, and .* gan serve certificate create --name"):
        signing(tmp_path, c2pa="on")


def test_a_broken_certificate(tmp_path, file):
    create(tmp_path, "Me")
    (tmp_path / PRIVATE).write_text("nonsense")
    with pytest.warns(UserWarning, match="images leave unsigned: .* holds no PEM private key"):
        found = signing(tmp_path)
    assert found.sign(file, "png", ORIGIN, ALLOWED) == (file, False, ALLOWED)
    own = {"c2pa_certificate": str(tmp_path / CHAIN), "c2pa_private_key": str(tmp_path / PRIVATE)}
    for given in ({"c2pa": "on"}, own):  # what was asked for by name is not left out
        with pytest.raises(UserError, match="holds no PEM private key"):
            signing(tmp_path, **given)


def test_own_files(tmp_path, file):
    create(tmp_path / "own", "Own")
    own = {"c2pa_certificate": tmp_path / "own" / CHAIN, "c2pa_private_key": tmp_path / "own" / PRIVATE}
    found = signing(tmp_path, **{name: str(path) for name, path in own.items()})
    data, signed, _ = found.sign(file, "png", ORIGIN, ALLOWED)
    known = Reader(trust(tmp_path, own["c2pa_certificate"])).read(data, "png")
    assert signed and (known.state, known.signer) == ("trusted", "Own, test certificate")


def test_a_signature_that_fails(tmp_path, file, monkeypatch, capsys):
    """On holds the image back; auto lets it leave and says that it is not signed."""
    create(tmp_path, "Me")
    must, may = signing(tmp_path, c2pa="on"), signing(tmp_path)

    def broken(self, *_):
        raise UserError("C2PA cannot sign as Me")

    monkeypatch.setattr(Signer, "sign", broken)
    held = Verdict(action="block", reason=UNSIGNED, content=0.1)
    assert must.sign(file, "png", ORIGIN, ALLOWED) == (None, False, held)
    assert may.sign(file, "png", ORIGIN, ALLOWED) == (file, False, ALLOWED)
    assert capsys.readouterr().err == "gan: C2PA cannot sign as Me\n" * 2


def test_the_end_of_a_certificate_is_said_in_time(tmp_path):
    create(tmp_path, "Me", 29)
    with pytest.warns(UserWarning, match="the certificate ends on 20"):
        signing(tmp_path)


def test_a_certificate_that_ends_while_serving_fails_as_others_do(tmp_path, file, monkeypatch):
    """C2PA refuses to sign with it."""
    monkeypatch.setattr(certificates, "_EARLY", datetime.timedelta(days=3))
    real = certificates._identity
    monkeypatch.setattr(certificates, "_identity", lambda *given: given)
    create(tmp_path, "Me", -1)
    chain, key = (tmp_path / CHAIN).read_bytes(), (tmp_path / PRIVATE).read_bytes()
    monkeypatch.setattr(certificates, "_identity", real)
    until = datetime.datetime.now(datetime.timezone.utc)
    old = certificates.Identity(chain=chain, key=key, algorithm="es256", name="Me", until=until)
    with pytest.raises(UserError, match="C2PA cannot sign as Me .*not valid at time of signing"):
        Signer(old)
