"""All families of cases. A case belongs to the first that recognises it."""

from tests.golden import inception, losses, metrics, ops, stylegan2, stylegan3
from tests.golden.case import Case, Family, FormatError

AUGMENTATION = Family("augmentation", lambda case: "enabled" in case.meta)  # not in this release

FAMILIES = (
    *stylegan2.FAMILIES,
    *stylegan3.FAMILIES,
    *losses.FAMILIES,
    *ops.FAMILIES,
    *metrics.FAMILIES,
    *inception.FAMILIES,
    AUGMENTATION,
)


def family_of(case: Case) -> Family:
    """FormatError for a case that no family recognises."""
    for family in FAMILIES:
        if family.recognises(case):
            return family
    raise FormatError(f"case {case.name} is of no known family")
