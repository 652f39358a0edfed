"""The operator's certificate: who signs pictures, and whose signatures are their own.

In the folder of the server's state: `certificate.pem`, the signer's certificate and those above it, and
`certificate.key`, its private key. `create` makes a test one: an authority of its own (P-256, X.509 v3 in the
profile of C2PA 2.1, section 14.5), which nobody else trusts, and whose key is thrown away, so that it never
signs another. Needs the package cryptography (extra `marks`).
"""

import datetime
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan.errors import UsageError, UserError, install
from gan.files import atomic_bytes, atomic_write, refusal

CHAIN, PRIVATE = "certificate.pem", "certificate.key"
KEPT = "certificate*.pem"  # earlier chains, renamed: what they signed stays the operator's own
MOST_NAME = 40  # characters; an X.509 name has 64
_MOST_BYTES = 2**20  # of a file
_EARLY = datetime.timedelta(minutes=5)  # for clocks that are late
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}  # -> C2PA's name


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who signs. chain: PEM, the signer's first.  key: PEM.  algorithm: in C2PA's words, such as es256.

    name: of the certificate.  until: when it ends (UTC).
    """

    chain: bytes
    key: bytes
    algorithm: str
    name: str
    until: datetime.datetime


@dataclass(frozen=True)
class Trust:
    """Whose signatures are the operator's own: issuers as PEM, and serial numbers of signers, decimal."""

    anchors: str = ""
    serials: frozenset[str] = frozenset()


def create(folder: str | Path, name: str, days: float = 365.0) -> Identity:
    """Make a test certificate in a folder. UsageError for a bad name, and where there is a certificate."""
    if not (name.isprintable() and 1 <= len(name.strip()) <= MOST_NAME):
        raise UsageError(f"{name!r} is no name of a signer: give 1 to {MOST_NAME} printable characters")
    chain_file, key_file = Path(folder) / CHAIN, Path(folder) / PRIVATE
    for path in (chain_file, key_file):
        if path.exists():
            kept = chain_file.with_stem(f"{chain_file.stem}-old")
            raise UsageError(
                f"there is {path} already: use it, or rename {CHAIN} to {kept.name}, so that what it signed"
                f" stays known, remove {PRIVATE}, and type this again"
            )
    chain, key = _made(name.strip(), datetime.timedelta(days=days))
    try:
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(refusal("write", folder, error)) from error
    with atomic_write(key_file) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
    atomic_bytes(chain_file, chain)
    return _identity(chain, key, chain_file, key_file)


def load(
    folder: str | Path, certificate: str | Path | None = None, private_key: str | Path | None = None
) -> Identity | None:
    """The identity of a folder, or of own PEM files; None where the folder has none.

    Raises UserError for a file that cannot be read or is none, for a key that does not belong to the
    certificate or is locked by a password, and for a certificate that has ended or has not begun.
    """
    chain_file, key_file = Path(folder) / CHAIN, Path(folder) / PRIVATE
    if certificate is not None and private_key is not None:
        chain_file, key_file = Path(certificate), Path(private_key)
    elif not chain_file.exists() and not key_file.exists():
        return None
    return _identity(_content(chain_file), _content(key_file), chain_file, key_file)


def trust(folder: str | Path, certificate: str | Path | None = None) -> Trust:
    """Whose signatures count as own: of every chain in a folder by the name KEPT, and of an own file."""
    files = sorted(Path(folder).glob(KEPT))
    files += [] if certificate is None else [Path(certificate)]
    anchors, serials = [], set()
    for path in files:
        chain = _certificates(_content(path), path)
        serials.add(str(chain[0].serial_number))
        anchors += chain[1:] or chain
    return Trust("".join(map(_pem, anchors)), frozenset(serials))


def _made(name: str, valid: datetime.timedelta) -> tuple[bytes, bytes]:
    """(chain, private key), PEM, of an authority of its own."""
    _package()
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    authority, signer = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    above, own = _subject(name, "test authority"), _subject(name, "test certificate")
    top = _builder(above, above, authority.public_key(), authority.public_key(), valid)
    top = top.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    top = top.add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
    leaf = _builder(own, above, signer.public_key(), authority.public_key(), valid)
    leaf = leaf.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    leaf = leaf.add_extension(_usage("digital_signature"), critical=True)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])  # which C2PA asks of a signer
    leaf = leaf.add_extension(purpose, critical=False)
    chain = "".join(_pem(each.sign(authority, _hash())) for each in (leaf, top))
    return chain.encode(), _plain(signer)


def _builder(subject: Any, issuer: Any, key: Any, above: Any, valid: datetime.timedelta) -> Any:
    """A certificate of `key`, issued by the holder of `above`, from now on."""
    from cryptography import x509

    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _EARLY).not_valid_after(now + valid)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    return builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), critical=False)


def _subject(name: str, kind: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = ((NameOID.ORGANIZATION_NAME, name), (NameOID.COMMON_NAME, f"{name}, {kind}"))
    return x509.Name([x509.NameAttribute(place, text) for place, text in parts])


def _usage(*allowed: str) -> Any:
    from cryptography import x509

    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment"]
    names += ["key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: name in allowed for name in names})


def _identity(chain: bytes, key: bytes, chain_file: Path, key_file: Path) -> Identity:
    """The identity of PEM files, checked."""
    leaf = _certificates(chain, chain_file)[0]
    private = _private(key, key_file)
    if private.public_key() != leaf.public_key():
        raise UserError(f"{key_file} is not the key of {chain_file}: name the two that belong together")
    now = datetime.datetime.now(datetime.timezone.utc)
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        dates = f"{leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}"
        raise UserError(f"{chain_file} is valid from {dates}, not today: renew it, or set the clock right")
    return Identity(
        chain=chain,
        key=_plain(private),
        algorithm=_algorithm(private, key_file),
        name=_name(leaf),
        until=leaf.not_valid_after_utc,
    )


def _certificates(data: bytes, path: Path) -> list[Any]:
    """The x509.Certificates of a PEM file, one at least."""
    _package()
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise UserError(f"{path} holds no PEM certificate: give the signer's and those above it") from error


def _private(data: bytes, path: Path) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(data, None)
    except TypeError as error:
        raise UserError(f"{path} is locked by a password: give a key without one, mode 0600") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UserError(f"{path} holds no PEM private key: give that of the certificate") from error


def _plain(key: Any) -> bytes:
    """PEM of a private key in PKCS #8, which C2PA reads."""
    from cryptography.hazmat.primitives import serialization

    form, code = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    return key.private_bytes(code, form, serialization.NoEncryption())


def _algorithm(key: Any, path: Path) -> str:
    """C2PA's name of what a key signs by."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise UserError(f"{path} is of a kind that C2PA does not know: take P-256, P-384, Ed25519 or RSA")


def _name(certificate: Any) -> str:
    from cryptography.x509.oid import NameOID

    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else certificate.subject.rfc4514_string()


def _pem(certificate: Any) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()


def _hash() -> Any:
    from cryptography.hazmat.primitives.hashes import SHA256

    return SHA256()


def _content(path: Path) -> bytes:
    """The bytes of a file of bounded size. UserError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise UserError(refusal("read", path, error)) from error


def _package() -> None:
    """UserError where cryptography is missing."""
    try:
        import cryptography.x509  # noqa: F401
    except ImportError as error:
        raise UserError(f"certificates need the package cryptography; {install('marks')}") from error
