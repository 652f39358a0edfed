"""A model on a hub of the test's own."""

from pathlib import Path

import pytest

from gan.models import hub
from tests.gan.models.fake_hub import Hub

NAME = "user/glyphs"


@pytest.fixture
def pushed(fake_hub: Hub, token: str, run_folder: Path) -> str:
    """The name, with its commit, of a model on the hub."""
    return hub.push_to_hub(run_folder, NAME)["name"]
