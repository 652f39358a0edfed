"""`gan serve` as a process: it starts, serves over TCP and TLS, and finishes what it accepted at SIGTERM."""

import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from gan.errors import UserError
from gan.jobs.serving.administration import create, overview
from gan.jobs.serving.audit import FILE, verify
from gan.jobs.serving.settings import ServeConfig
from gan.web.serve import running
from tests.gan.runs import write_run

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("prometheus_client", reason="the extra serve is not installed")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "plain")


def key_of(state: Path) -> str:
    limits = {"per_minute": 100, "per_day": 100, "days": None}
    return create(state, "me", terms="1", attested_by="tests", **limits)


def ask(home: str, key: str, body: dict) -> tuple[int, bytes]:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{home}/v1/images", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=90) as answer:
        return answer.status, answer.read()


def test_sigterm_finishes_what_was_accepted(run, tmp_path):
    key, answers = key_of(tmp_path), []
    command = [sys.executable, "-m", "gan", "serve", str(run), "--port", "0", "--state", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        late = threading.Timer(120, process.kill)
        late.start()
        home = process.stdout.readline().strip()
        body = {"count": 16, "format": "zip"}  # two batches of a model that is read first
        client = threading.Thread(target=lambda: answers.append(ask(home, key, body)))
        client.start()
        while overview(tmp_path)[0]["used_today"] < 16:  # counted when it is accepted
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=100)
        late.cancel()
        client.join(10)
    assert [(status, data[:2]) for status, data in answers] == [(200, b"PK")]
    assert process.returncode == 143 and "Traceback" not in err and key not in err
    log = (tmp_path / FILE).read_text()
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events == ["started", "made", "ended"] and verify(tmp_path)[0] == 3
    assert key.split("_", 2)[2] not in log


def settings(run, state, **given):
    options = {"device": "cpu", "content_filter": "off", "port": 0, **given}
    return ServeConfig(models=(str(run),), state=str(state), **options)


def test_a_port_that_is_taken(run, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match="choose another --port"):
            running.run(settings(run, tmp_path, port=port))
    assert not (tmp_path / FILE).exists()


def test_files_of_tls(run, tmp_path):
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    missing = str(tmp_path / "none.pem")
    for name, words in ((missing, "cannot read .*none.pem"), (str(broken), "TLS cannot start with")):
        with pytest.raises(UserError, match=words):
            running.run(settings(run, tmp_path, tls_certificate=name, tls_private_key=str(broken)))


def test_tls(run, tmp_path):
    """A handshake with a certificate that openssl makes; skipped where there is none."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")
    certificate, private = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-days",
        "2",
    ]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", private]
    subprocess.run(make, check=True, capture_output=True)
    asked = {"tls_certificate": certificate, "tls_private_key": private}
    trusted, answers = ssl.create_default_context(cafile=certificate), []

    def client(home: str) -> None:
        try:
            with urllib.request.urlopen(f"{home}/healthz", timeout=60, context=trusted) as answer:
                answers.append((home, answer.headers["strict-transport-security"]))
        finally:
            signal.raise_signal(signal.SIGINT)

    clients = []

    def say(home: str) -> None:
        clients.append(threading.Thread(target=client, args=(home,)))
        clients[0].start()

    running.run(settings(run, tmp_path / "s", **asked), say=say)  # it comes back, as after Ctrl-C
    clients[0].join(10)
    [(home, lasting)] = answers
    assert home.startswith("https://127.0.0.1:") and lasting == "max-age=31536000"


def test_the_network_without_tls_is_warned_about(run, tmp_path, monkeypatch):
    class Stopped(Exception):
        pass

    def listening(host, port):
        raise Stopped

    monkeypatch.setattr(running, "listening", listening)
    with pytest.warns(UserWarning, match="without TLS"), pytest.raises(Stopped):
        running.run(settings(run, tmp_path, host="0.0.0.0"))


def test_addresses(run, tmp_path):
    assert running.address(settings(run, tmp_path), 80) == "http://127.0.0.1:80"
    tls = {"tls_certificate": "c", "tls_private_key": "k"}
    assert running.address(settings(run, tmp_path, host="::", **tls), 80) == "https://[::1]:80"


def test_what_is_missing(run, tmp_path, monkeypatch):
    for package in ("fastapi", "prometheus_client", "uvicorn"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(UserError, match=f"{package}.*pip install -e"):
                running.run(settings(run, tmp_path))
