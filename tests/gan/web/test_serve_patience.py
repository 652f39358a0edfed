"""Slow and idle connections are ended in time; those that ask are answered. 2,000 of them: a slow test."""

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
from gan.web.serve import running
from gan.web.serve.patience import patient
from tests.gan.runs import write_run

uvicorn = pytest.importorskip("uvicorn", reason="the extra serve is not installed")
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def app(scope, receive, send):
    """Answers ok."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port():
    """Of a server that waits half a second for a head."""
    config = uvicorn.Config(app, log_level="error", lifespan="off", http=patient(0.5), timeout_keep_alive=30)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=functools.partial(server.run, sockets=[listener]))
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(20)


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


def test_the_server_looks_at_its_connections(tmp_path, monkeypatch):
    class Asked(Exception):
        pass

    def looked(seconds):
        raise Asked(seconds)

    def served(config):
        raise AssertionError("it would have served")

    monkeypatch.setattr(running, "patient", looked)
    monkeypatch.setattr(uvicorn, "Server", served)
    run, state = write_run(tmp_path / "plain"), str(tmp_path / "s")
    options = {"device": "cpu", "content_filter": "off", "port": 0, "body_seconds": 7.0}
    with pytest.raises(Asked, match=r"7\.0"):
        running.run(ServeConfig(models=(str(run),), state=state, **options))


@pytest.mark.slow
def test_two_thousand_idle_connections(tmp_path):
    """They are counted, refused, and ended; then the server serves as before."""
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
        assert ask("/healthz")[0] == 503  # refused, and told so
        assert all(ended(connection, 90) for connection in idle)
        assert ask("/healthz")[0] == 200 and ask("/v1/images", {"seeds": [1]}) == first
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        late.cancel()
    assert process.returncode == 143 and "Traceback" not in err
