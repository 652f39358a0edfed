"""All families of cases. A case belongs to the first that recognises it."""

from tests.golden import augment, inception, losses, metrics, ops, r3gan, stylegan2, stylegan3
from tests.golden.case import Case, Family, FormatError

FAMILIES = (
    *stylegan2.FAMILIES,
    *stylegan3.FAMILIES,
    *r3gan.FAMILIES,
    *augment.FAMILIES,
    *losses.FAMILIES,
    *ops.FAMILIES,
    *metrics.FAMILIES,
    *inception.FAMILIES,
)


def family_of(case: Case) -> Family:
    """FormatError for a case that no family recognises."""
    for family in FAMILIES:
        if family.recognises(case):
            return family
    raise FormatError(f"case {case.name} is of no known family")
