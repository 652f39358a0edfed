"""What writes the generated parts of the site, as a package of its own beside the pages."""

import sys

import pytest

from tests.docs.pages import DOCS


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch):
    """The package in docs/_ext, which Sphinx finds by conf.py."""
    monkeypatch.setattr(sys, "path", [str(DOCS / "_ext"), *sys.path])
    import generated

    return generated
