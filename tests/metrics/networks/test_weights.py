"""Weight files: found, checked, downloaded and resumed from a server in this process; offline messages."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest
import torch
from safetensors.torch import save_file

from gan.errors import UserError
from metrics.networks import weights
from metrics.networks.weights import WeightFile, find, packaged, read

CONTENT = bytes(range(256)) * 500
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What the server does and has done. cut: bytes after which it hangs up, None never."""

    url: str = ""
    cut: int | None = None
    ranges: bool = True
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of CONTENT on the loopback interface, for the time of a test."""
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            state.asked.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and state.ranges else 0
            body = CONTENT[start:]
            if not body:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.cut])

        def log_message(self, format, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        state.url = f"http://127.0.0.1:{httpd.server_port}/w.pth"
        yield state
        httpd.shutdown()
        thread.join()


@pytest.fixture
def place(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache" / "weights"


@pytest.fixture
def file(server, place) -> WeightFile:
    return WeightFile(name="w.pth", url=server.url, sha256=DIGEST, what="testnet (128 kB)")


def test_download_once(file, server, place):
    assert find(file) == find(file) == (place / "w.pth", DIGEST)
    assert (place / "w.pth").read_bytes() == CONTENT and server.asked == [None]
    assert sorted(path.name for path in place.iterdir()) == ["w.pth", "w.pth.lock"]


def test_two_at_once_download_once(file, server, place):
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: find(file), range(2)))
    assert found == [(place / "w.pth", DIGEST)] * 2 and server.asked == [None]


@pytest.mark.parametrize("ranges", [True, False], ids=["resumed", "server without ranges"])
def test_an_interrupted_download_goes_on(file, server, place, ranges):
    server.cut, server.ranges = 1000, ranges
    with pytest.raises(UserError, match="ended after 1,000 of 128,000 bytes"):
        find(file)
    assert (place / "w.pth.part").stat().st_size == 1000 and not (place / "w.pth").exists()
    server.cut = None
    assert find(file) == (place / "w.pth", DIGEST)
    assert server.asked == [None, "bytes=1000-"]


def test_a_whole_part_is_only_checked(file, server, place):
    place.mkdir(parents=True)
    (place / "w.pth.part").write_bytes(CONTENT)
    assert find(file) == (place / "w.pth", DIGEST)
    assert server.asked == ["bytes=128000-"]


def test_a_wrong_download_is_removed(file, place):
    with pytest.raises(UserError, match=f"sha256 {DIGEST}, expected sha256 {'0' * 64}; it was removed"):
        find(replace(file, sha256="0" * 64))
    assert not list(place.glob("w.pth")) and not list(place.glob("*.part"))


@pytest.mark.parametrize("pin", [DIGEST[:8], ""])
def test_a_short_pin_and_none(file, pin):
    assert find(replace(file, sha256=pin))[1] == DIGEST


def test_a_damaged_file_in_the_cache_is_refused_and_kept(file, server, place):
    place.mkdir(parents=True)
    (place / "w.pth").write_bytes(b"half")
    with pytest.raises(UserError, match="w.pth has sha256 .* remove it, or name the file"):
        find(file)
    assert (place / "w.pth").read_bytes() == b"half" and not server.asked


def test_offline_says_what_to_fetch_and_where_to_put_it(file, place):
    url = "http://127.0.0.1:9/w.pth"  # nothing listens there
    with pytest.raises(UserError) as error:
        find(replace(file, url=url))
    text = str(error.value)
    assert "\n" not in text
    for part in ("testnet", url, DIGEST, str(place / "w.pth"), "--weights"):
        assert part in text
    with pytest.raises(UserError, match="no published sha256"):
        find(replace(file, url=url, sha256=""))


def test_a_given_file_is_taken_as_it_is(file, server, tmp_path):
    path = tmp_path / "mine.pth"
    path.write_bytes(b"mine")
    assert find(file, path) == (path, hashlib.sha256(b"mine").hexdigest())
    assert not server.asked
    with pytest.raises(UserError, match="absent.pth"):
        find(file, tmp_path / "absent.pth")


def test_read(tmp_path):
    state = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}
    torch.save(state, tmp_path / "w.pth")
    save_file(state, tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        again = read(tmp_path / name)
        assert all(torch.equal(again[key], t) for key, t in state.items())


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_read_refuses_what_is_no_state_dict(name, tmp_path):
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(UserError, match=name):
        read(tmp_path / name)


def test_read_executes_nothing(tmp_path):
    torch.save({"a": threading.Barrier}, tmp_path / "code.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("code.pth", "list.pth"):
        with pytest.raises(UserError, match="no state dict of plain tensors"):
            read(tmp_path / name)


def test_packaged():
    assert packaged("no_such_package", "file") is None
    assert packaged("metrics", "no such file") is None
    assert packaged("metrics.networks", "weights.py").samefile(weights.__file__)
