"""Connections are bounded; slow and idle ones are ended, those that ask are answered. 2,000: a slow test."""

import asyncio
import contextlib
import functools
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from gan.jobs.serving.administration import create
from gan.jobs.serving.settings import ServeConfig
from gan.web.serve import patience, running
from gan.web.serve.patience import MOST_HEAD, patient
from tests.gan.runs import write_run

uvicorn = pytest.importorskip("uvicorn", reason="the extra serve is not installed")
pytest.importorskip("httptools", reason="the extra serve is not installed")
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
HELD = GET.replace(b"/", b"/held", 1)


async def app(scope, receive, send):
    """Answers ok, to /held later."""
    assert scope["type"] == "http"
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/held":
        await asyncio.sleep(0.3)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextlib.contextmanager
def serving(most):
    """Port of a server that waits half a second for a head."""
    http = patient(0.5, most)
    config = uvicorn.Config(app, log_level="error", lifespan="off", http=http, timeout_keep_alive=30)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=functools.partial(server.run, sockets=[listener]))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(20)


@pytest.fixture
def port():
    """Of a server with room for all."""
    with serving(100) as found:
        yield found


def connected(port):
    return socket.create_connection(("127.0.0.1", port), 10)


def answer(connection, seconds=2):
    """All that comes until the other side ends it, or is silent for so long."""
    told = b""
    connection.settimeout(seconds)
    with contextlib.suppress(TimeoutError, ConnectionError):
        while data := connection.recv(10_000):
            told += data
    return told


def ended(connection, seconds=10.0):
    """Whether the other side ends it within that time."""
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("said", [b"", GET[:10], GET[:-1]])
def test_half_a_head_is_not_waited_for(port, said):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(said)
        assert ended(connection)


def test_a_head_in_drops(port):
    with socket.create_connection(("127.0.0.1", port)) as connection, contextlib.suppress(ConnectionError):
        for letter in GET[:-1] * 9:
            connection.sendall(bytes([letter]))
            time.sleep(0.05)
            if (spent := ended(connection, 0.001)) is True:
                break
        assert spent


def test_who_asks_is_answered_and_may_ask_again(port):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(3):
            connection.sendall(GET)
            told = b""
            while not told.endswith(b"\r\n\r\nok"):
                told += connection.recv(1000)
            assert told.startswith(b"HTTP/1.1 200")
            time.sleep(0.7)  # longer than a head may take: an idle connection is another matter
        connection.sendall(GET[:10])
        assert ended(connection)


def test_who_has_been_idle_longest_makes_room(monkeypatch):
    monkeypatch.setattr(patience, "_IDLE", 0.2)
    with serving(3) as port, contextlib.ExitStack() as opened:
        older, newer, asking = (opened.enter_context(connected(port)) for _ in range(3))
        for connection in (newer, older, asking):  # the order of their answers
            connection.sendall(GET)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        time.sleep(0.3)
        asking.sendall(HELD)
        time.sleep(0.1)
        with connected(port) as another:
            another.sendall(GET)
            assert another.recv(1000).startswith(b"HTTP/1.1 200")
            assert ended(newer) and not ended(older, 0.05)
            assert asking.recv(1000).startswith(b"HTTP/1.1 200")


def test_beyond_the_bound_a_connection_is_told_so(monkeypatch):
    """Also where it has sent its request by then; those beyond even that hear nothing."""
    monkeypatch.setattr(patience, "TOLD", 2)
    monkeypatch.setattr(patience, "_IDLE", 60.0)
    with serving(2) as port, contextlib.ExitStack() as opened:
        within = [opened.enter_context(connected(port)) for _ in range(2)]
        for connection in within:
            connection.sendall(GET)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        told, silent = (opened.enter_context(connected(port)) for _ in range(2))
        told.sendall(GET)
        for connection in (told, silent):
            text = answer(connection)
            assert text.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in text
            assert text.endswith(b"Service Unavailable") and text.count(b"HTTP/") == 1
        many = [opened.enter_context(connected(port)) for _ in range(8)]
        assert b"" in [answer(connection) for connection in many]
        within[0].sendall(GET)
        assert within[0].recv(1000).startswith(b"HTTP/1.1 200")
        for connection in within:
            connection.close()
        time.sleep(0.2)
        with connected(port) as another:
            another.sendall(GET)
            assert another.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("slowly", [False, True])
def test_a_head_has_a_largest_size(port, slowly):
    head = GET[:-2] + b"x: " + b"y" * MOST_HEAD
    with connected(port) as connection:
        connection.sendall(head if slowly else head + b"\r\n\r\n")
        assert answer(connection).startswith(b"HTTP/1.1 400")
    with connected(port) as connection:
        connection.sendall(GET[:-2] + b"x: " + b"y" * (MOST_HEAD - 200) + b"\r\n\r\n")
        assert answer(connection).startswith(b"HTTP/1.1 200")


def test_a_body_is_no_head(port):
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n"
    with connected(port) as connection:
        connection.sendall(head + b"z" * 200_000)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.sendall(GET)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("more", [GET, b"garbage\r\n\r\n", HELD + GET])
def test_what_comes_before_an_answer_ends_the_connection_after_it(port, more):
    with connected(port) as connection:
        connection.sendall(HELD + more)
        text = answer(connection)
    assert text.startswith(b"HTTP/1.1 200") and text.endswith(b"ok") and text.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "text", [b"garbage\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_http_is_told_so(port, text):
    with connected(port) as connection:
        connection.sendall(text)
        assert answer(connection).startswith(b"HTTP/1.1 400")


def test_the_server_looks_at_its_connections(tmp_path, monkeypatch):
    class Asked(Exception):
        pass

    def looked(*given):
        raise Asked(*given)

    def served(config):
        raise AssertionError("it would have served")

    monkeypatch.setattr(running, "patient", looked)
    monkeypatch.setattr(uvicorn, "Server", served)
    run, state = write_run(tmp_path / "plain"), str(tmp_path / "s")
    options = {"device": "cpu", "content_filter": "off", "port": 0, "body_seconds": 7.0}
    options["max_connections"] = 77
    with pytest.raises(Asked, match=r"7\.0, 77"):
        running.run(ServeConfig(models=(str(run),), state=state, **options))


@pytest.mark.slow
def test_two_thousand_idle_connections(tmp_path):
    """They are bounded, told so, and ended; who asks is answered meanwhile, and afterwards."""
    run = write_run(tmp_path / "plain")
    key = create(tmp_path / "s", "me", per_minute=100, per_day=100, days=None, terms="1", attested_by="tests")
    command = [sys.executable, "-m", "gan", "serve", str(run), "--port", "0", "--state", str(tmp_path / "s")]
    command += ["--set", "body_seconds=20", "--set", "max_connections=256", "--set", "content_filter='off'"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        contextlib.ExitStack() as opened,
    ):
        late = threading.Timer(300, process.kill)
        late.start()
        opened.callback(process.kill)  # where a line below fails
        home = process.stdout.readline().strip()
        port = int(home.rpartition(":")[2])
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

        def ask(route, body=None):
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(home + route, data, headers)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return answer.status, answer.read()
            except urllib.error.HTTPError as error:
                with error:  # it holds the connection
                    return error.code, error.read()

        first = ask("/v1/images", {"seeds": [1]})
        assert first[0] == 200
        idle = [opened.enter_context(socket.create_connection(("127.0.0.1", port), 30)) for _ in range(2000)]
        time.sleep(1.5)  # until idle ones make room
        assert {ask("/v1/images", {"seeds": [1]}) for _ in range(20)} == {first}
        told = {answer(connection, 90)[:12] for connection in idle}
        assert told == {b"", b"HTTP/1.1 503"} and all(ended(connection) for connection in idle)
        assert ask("/healthz")[0] == 200 and ask("/v1/images", {"seeds": [1]}) == first
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        late.cancel()
    assert process.returncode == 143 and "Traceback" not in err
