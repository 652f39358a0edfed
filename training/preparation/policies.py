"""What can be odd about a file of a source, and what is done about it: a policy for each kind of fault.

fix         mend it where there is something to mend, and keep it
drop        leave it out
quarantine  leave it out, and copy the file to the working folder for a look
stop        end with an error once everything is scanned; nothing is written
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gan.errors import UsageError, unknown

POLICIES = ("fix", "drop", "quarantine", "stop")
HOPELESS = ("drop", "quarantine", "stop")  # for what gives no pixels, or none to trust


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of fault. text: of a file, in the summary.  mended: what `fix` does, None where it cannot."""

    text: str
    default: str
    mended: str | None = None

    @property
    def policies(self) -> tuple[str, ...]:
        """The policies that can be set."""
        return HOPELESS if self.mended is None else POLICIES


KINDS: dict[str, Kind] = {
    "empty": Kind(text="has zero bytes", default="drop"),
    "type": Kind(text="is no image", default="drop"),
    "corrupt": Kind(text="cannot be decoded", default="drop"),
    "truncated": Kind(text="ends too early", default="drop"),
    "bomb": Kind(text="would need too much memory", default="drop"),
    "slow": Kind(text="took its decoder too long, or crashed it", default="drop"),
    "unreadable": Kind(text="cannot be read", default="drop"),
    "loop": Kind(text="is a link to a folder above it or to nothing", default="drop"),
    "link": Kind(text="is a link", default="fix", mended="followed"),
    "hidden": Kind(text="is hidden", default="drop", mended="read like any other"),
    "system": Kind(text="belongs to the system, such as Thumbs.db", default="drop"),
    "suffix": Kind(text="has the suffix of another format", default="fix", mended="read as what it is"),
    "name": Kind(text="differs from another in capitals or Unicode form", default="fix", mended="kept"),
    "orientation": Kind(text="is stored turned or mirrored", default="fix", mended="turned upright"),
    "profile": Kind(text="has a colour profile other than sRGB", default="fix", mended="made sRGB"),
    "cmyk": Kind(text="has the colours of print", default="fix", mended="made RGB"),
    "palette": Kind(text="has a palette", default="fix", mended="made RGB"),
    "alpha": Kind(text="is transparent in parts", default="fix", mended="laid on --background"),
    "16-bit": Kind(text="has 16 bits per channel", default="fix", mended="rounded to 8"),
    "float": Kind(text="has floats or 32-bit integers", default="quarantine", mended="scaled to 8 bits"),
    "animated": Kind(text="holds several pictures", default="fix", mended="the first one is taken"),
    "tiny": Kind(text="needs enlarging by more than 2", default="drop", mended="enlarged"),
    "aspect": Kind(text="is more than 3 times as long as wide", default="drop", mended="cropped"),
    "blank": Kind(text="is of one colour", default="drop", mended="kept"),
    "faceless": Kind(text="shows no face, for --crop face", default="drop", mended="cut at its middle"),
    "blurred": Kind(text="has hardly an edge", default="fix", mended="kept"),
}


def parse(settings: Iterable[str]) -> dict[str, str]:
    """The policy of each kind, of defaults changed by `settings`, each FAULT=POLICY.

    Raises UsageError for an unknown fault or policy, and for `fix` where nothing can be mended.
    """
    chosen = {name: kind.default for name, kind in KINDS.items()}
    for setting in settings:
        name, separator, policy = setting.partition("=")
        if not separator:
            raise UsageError(f"--on {setting!r}: write FAULT=POLICY, such as --on blurred=drop")
        if name not in KINDS:
            raise UsageError(f"--on {setting}: {unknown('fault', name, KINDS)}")
        if policy not in POLICIES:
            raise UsageError(f"--on {setting}: {unknown('policy', policy, POLICIES)}")
        if policy not in KINDS[name].policies:
            allowed = ", ".join(KINDS[name].policies)
            raise UsageError(f"--on {setting}: a file that {KINDS[name].text} cannot be mended: {allowed}")
        chosen[name] = policy
    return chosen


def verdict(kinds: Iterable[str], policies: Mapping[str, str]) -> tuple[str, str | None]:
    """What becomes of a file with these faults: (keep | drop | quarantine | stop, the fault that decides).

    The strictest policy decides, and of equal ones the first fault.
    """
    strictness = {"fix": 0, "drop": 1, "quarantine": 2, "stop": 3}
    worst = max(kinds, key=lambda kind: strictness[policies[kind]], default=None)
    if worst is None or policies[worst] == "fix":
        return "keep", None
    return policies[worst], worst
