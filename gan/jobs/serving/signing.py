"""Signs what leaves, last of all marks, as the settings have it."""

import datetime
import sys
import warnings
from dataclasses import replace

from gan.errors import UserError
from gan.jobs.marking import certificates, manifest
from gan.jobs.marking.metadata import Origin
from gan.jobs.serving.filters import Verdict
from gan.jobs.serving.settings import ServeConfig

UNSIGNED = "signature"  # why an image is held back, where it must be signed and cannot be
_SOON = datetime.timedelta(days=30)


class Signing:
    """By the certificate of the settings, or of the state folder; `signer` is None where nothing is signed.

    Raises UserError where a signature is asked for, by `c2pa: on` or by naming a certificate, and cannot be
    had; `auto` warns instead where the folder's certificate cannot be used.
    """

    def __init__(self, settings: ServeConfig) -> None:
        self._must = settings.c2pa == "on"
        self.signer: manifest.Signer | None = None
        if settings.c2pa == "off":
            return
        try:
            own = settings.c2pa_certificate, settings.c2pa_private_key
            identity = certificates.load(settings.state, *own)
            self.signer = None if identity is None else manifest.Signer(identity)
        except UserError as error:
            if self._must or settings.c2pa_certificate is not None:
                raise
            warnings.warn(f"images leave unsigned: {error}", stacklevel=3)
        if self._must and self.signer is None:
            raise UserError(
                f"c2pa is on, and {settings.state} has no certificate: "
                "gan serve certificate create --name NAME"
            )
        if self.signer and self.signer.identity.until - datetime.datetime.now(datetime.timezone.utc) < _SOON:
            warnings.warn(f"the certificate ends on {self.signer.identity.until:%Y-%m-%d}", stacklevel=3)

    def sign(
        self, data: bytes | None, form: str, origin: Origin, verdict: Verdict
    ) -> tuple[bytes | None, bool, Verdict]:
        """(file, whether it is signed, verdict) of a file with all other marks; None stays None.

        Where it cannot be signed, the image is held back if it must be, and leaves unsigned if not.
        """
        if data is None or self.signer is None:
            return data, False, verdict
        try:
            return self.signer.sign(data, form, origin), True, verdict
        except UserError as error:
            print(f"gan: {error}", file=sys.stderr, flush=True)
        if self._must:
            return None, False, replace(verdict, action="block", reason=UNSIGNED)
        return data, False, verdict
