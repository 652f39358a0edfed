"""A key that nothing is known of but its limits."""

from gan.jobs.serving.keys import Key

KEY = Key(
    number="0" * 12,
    name="me",
    created=0.0,
    expires=None,
    revoked=None,
    per_minute=60,
    per_day=100,
    attested=None,
    terms=None,
    attested_by=None,
)
