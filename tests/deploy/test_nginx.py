"""nginx.conf in an nginx on loopback: valid, and it holds what it promises before an upstream that echoes."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gan.jobs.serving.settings import ServeConfig
from tests.deploy.deployed import DEPLOY

CONF = (DEPLOY / "nginx.conf").read_text()
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(
    None in (NGINX, shutil.which("openssl")), reason="nginx or openssl is not installed"
)


class Echo(BaseHTTPRequestHandler):
    """Tells the headers that arrived, and the size of the body."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        size = len(self.rfile.read(int(self.headers.get("content-length", 0))))
        body = json.dumps({"size": size, "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_):
        pass


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def arguments(tmp_path):
    """(arguments of nginx for the file with places of this test, its port, the upstream's socket)."""
    made = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=test",
    ]
    files = ["-keyout", tmp_path / "privkey.pem", "-out", tmp_path / "fullchain.pem"]
    subprocess.run(["openssl", *made, *files], check=True, capture_output=True)
    port, upstream = free_port(), ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    text = CONF.replace("/tmp/", f"{tmp_path}/run-").replace("/etc/nginx/tls/", f"{tmp_path}/")
    text = text.replace("gan:8000", f"127.0.0.1:{upstream.server_address[1]}").replace(
        "8443", f"127.0.0.1:{port}"
    )
    (tmp_path / "nginx.conf").write_text(text)
    user = "user root; " if os.geteuid() == 0 else ""
    words = [NGINX, "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-g"]
    thread = threading.Thread(target=upstream.serve_forever)
    thread.start()
    yield words, user, port
    upstream.shutdown()
    thread.join()
    upstream.server_close()


@pytest.fixture
def ask(arguments):
    """ask(path, body, headers) -> (status, headers, body), through a running nginx."""
    words, user, port = arguments
    process = subprocess.Popen([*words, f"{user}daemon off;"], stderr=subprocess.DEVNULL)
    trusting = ssl._create_unverified_context()

    def request(path, body=None, headers=()):
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=trusting, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET" if body is None else "POST", path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()

    try:
        for _ in range(200):
            with contextlib.suppress(ConnectionError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.05)
        yield request
    finally:
        process.terminate()
        process.wait(20)


def test_valid(arguments):
    words, user, _ = arguments
    done = subprocess.run([*words, user, "-t"], capture_output=True, text=True)
    assert done.returncode == 0 and "successful" in done.stderr, done.stderr


def test_sizes_of_bodies_are_those_of_the_server(ask):
    small, large = ServeConfig.max_body_bytes, ServeConfig.max_verify_bytes
    assert json.loads(ask("/v1/images", bytes(small))[2])["size"] == small
    status, headers, body = ask("/v1/images", bytes(small + 1))
    assert status == 413 and headers["content-type"] == "application/problem+json"
    assert json.loads(body)["type"] == "urn:gan:problem:too-large"
    assert json.loads(ask("/v1/verify", bytes(large))[2])["size"] == large
    assert ask("/v1/verify", bytes(large + 1))[0] == 413


def test_what_the_server_hears(ask):
    status, headers, body = ask(
        "/v1/models", headers={"X-Forwarded-For": "10.0.0.1", "Authorization": "Bearer a"}
    )
    heard = {name.lower(): value for name, value in json.loads(body)["headers"].items()}
    assert status == 200 and headers["strict-transport-security"] == "max-age=31536000"
    assert heard["authorization"] == "Bearer a" and "x-forwarded-for" not in heard
    assert headers["server"].startswith("BaseHTTP") or headers["server"] == "nginx"
    assert ask("/metrics")[0] == 404


def test_too_many_of_one_address(ask):
    answers = [ask("/healthz") for _ in range(200)]
    status, headers, body = next(each for each in answers if each[0] != 200)
    assert status == 429 and headers["retry-after"] == "1"
    assert json.loads(body)["type"] == "urn:gan:problem:too-many"
    burst = int(re.search(r"burst=(\d+)", CONF)[1])
    assert sum(each[0] == 200 for each in answers) >= burst
