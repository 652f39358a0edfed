"""The secret of the watermark: 32 random bytes in the folder of the server's state, readable by its owner."""

import contextlib
import os
import secrets
from pathlib import Path

from gan.errors import UserError
from gan.files import refusal

FILE = "watermark.key"
BYTES = 32


def kept_secret(folder: str | Path) -> bytes | None:
    """The secret of a folder, None where it has none. UserError where it cannot be read, or is damaged."""
    path = Path(folder) / FILE
    try:
        with path.open("rb") as file:
            secret = file.read(BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(refusal("read", path, error)) from error
    if len(secret) != BYTES:
        raise UserError(
            f"{path} does not have {BYTES} bytes: restore it, for nothing else reads what it marked"
        )
    return secret


def secret_of(folder: str | Path) -> bytes:
    """The secret of a folder, made where there is none; of two processes that make it, one prevails."""
    path = Path(folder) / FILE
    temporary = path.with_name(f".tmp-{path.stem}-{os.getpid()}{path.suffix}")
    if (secret := kept_secret(folder)) is not None:
        return secret
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(BYTES))
            file.flush()
            os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    except OSError as error:
        raise UserError(refusal("write", path, error)) from error
    finally:
        temporary.unlink(missing_ok=True)
    made = kept_secret(folder)
    if made is None:
        raise UserError(f"{path} is gone again: keep it, for what it marked is read by nothing else")
    return made
