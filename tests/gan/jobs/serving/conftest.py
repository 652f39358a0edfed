"""The database of a server, for the tests of what is kept in it."""

import pytest

from gan.jobs.serving.database import Database


@pytest.fixture
def database(tmp_path):
    found = Database(tmp_path / "state")
    yield found
    found.close()
