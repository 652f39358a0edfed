"""Open files: a server asks for as many as its connections need, and says where it cannot have them."""

import warnings

import pytest

from gan.web.serve.descriptors import OTHERS, make_room
from gan.web.serve.patience import TOLD

resource = pytest.importorskip("resource", reason="this system has no limits of open files")
NEEDED = 1000 + TOLD + OTHERS


@pytest.fixture
def limits(monkeypatch):
    """[soft, hard], as the system would have them."""
    found = [256, 4096]

    def changed(name, pair):
        assert name == resource.RLIMIT_NOFILE
        if pair[0] > found[1] != resource.RLIM_INFINITY:
            raise ValueError("above the hard limit")
        found[:] = pair

    monkeypatch.setattr(resource, "getrlimit", lambda name: tuple(found))
    monkeypatch.setattr(resource, "setrlimit", changed)
    return found


def test_as_many_as_are_needed_and_no_more(limits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_room(1000)
        assert limits == [NEEDED, 4096]
        make_room(10)
        assert limits == [NEEDED, 4096]
        limits[:] = [256, resource.RLIM_INFINITY]
        make_room(1000)
        assert limits == [NEEDED, resource.RLIM_INFINITY]
        limits[:] = [resource.RLIM_INFINITY] * 2
        make_room(10**6)


def test_fewer_than_are_needed(limits):
    limits[1] = 512
    with pytest.warns(UserWarning, match=rf"1,000 needs {NEEDED:,} open files, and 512 are allowed: ulimit"):
        make_room(1000)
    assert limits == [512, 512]


def test_a_system_that_refuses(limits, monkeypatch):
    def refused(name, pair):
        raise OSError(1, "not permitted")

    monkeypatch.setattr(resource, "setrlimit", refused)
    with pytest.warns(UserWarning, match="256 are allowed"):
        make_room(1000)


def test_the_server_asks_for_them(monkeypatch, tmp_path):
    from gan.jobs.serving.settings import ServeConfig
    from gan.web.serve import running

    class Asked(Exception):
        pass

    def asked(connections):
        raise Asked(connections)

    pytest.importorskip("httptools", reason="the extra serve is not installed")
    monkeypatch.setattr(running, "make_room", asked)
    with pytest.raises(Asked, match="77"):
        running.run(ServeConfig(models=("x",), state=str(tmp_path), max_connections=77))
