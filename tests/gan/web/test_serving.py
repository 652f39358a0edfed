"""How a page starts and ends: tokens, addresses, ports, Ctrl-C, and the extra that is missing."""

import signal
import subprocess
import sys
import threading
import urllib.request

import pytest
from click.testing import CliRunner

from gan.cli.main import main
from gan.errors import UsageError, UserError
from gan.web.review import pages
from gan.web.shell import serving, token_for
from gan.web.shell.serving import address, loopback
from tests.gan import work_folders
from tests.gan.web.conftest import TOKEN, served

pytest.importorskip("fastapi", reason="the extra web is not installed")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_a_random_token_on_this_machine(host):
    assert loopback(host)
    assert len({token_for(host, None) for _ in range(9)}) == 9 and len(token_for(host, None)) >= 32


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "work.example", "localhost.evil.example"])
def test_the_network_needs_a_token(host):
    assert not loopback(host)
    with pytest.raises(UsageError, match="choose a token") as caught:
        token_for(host, None)
    suggested = str(caught.value).split("--token ")[1].split(",")[0]
    assert token_for(host, suggested) == suggested


@pytest.mark.parametrize(
    "token", ["short", "x" * 15, "a token with space", "ünïcödë-tökën-öf-ünï", "x" * 20 + ";"]
)
def test_tokens_of_ones_own(token):
    with pytest.raises(UsageError, match="--token needs 16"):
        token_for("127.0.0.1", token)


def test_addresses():
    assert address("127.0.0.1", 80, "t") == "http://127.0.0.1:80/?token=t"
    assert address("::1", 80, "t") == "http://[::1]:80/?token=t"
    assert address("0.0.0.0", 80, "t") == "http://127.0.0.1:80/?token=t"


def test_a_port_that_is_taken(review):
    app = pages.app(review, TOKEN)
    with served(app) as home:
        port = int(home.rpartition(":")[2])
        with pytest.raises(UserError, match=f"127.0.0.1:{port}.*; choose another --port"):
            serving.serve(app, "127.0.0.1", port)
    with pytest.raises(UserError, match="there is no host"):
        serving.serve(app, "no.such.host.invalid", 0)


def test_the_extra_that_is_missing(tmp_path, monkeypatch):
    work = work_folders.make(tmp_path)
    for package, command in (("fastapi", "review"), ("jinja2", "report")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            result = CliRunner().invoke(main, ["data", command, str(work)])
            assert result.exit_code == 1 and package in result.stderr, result.output
            assert 'pip install -e ".[web]"' in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_command_starts_says_where_and_ends(tmp_path, number):
    work = work_folders.make(tmp_path)
    command = [sys.executable, "-m", "gan", "data", "review", str(work)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        late = threading.Timer(60, process.kill)
        late.start()
        home = process.stdout.readline().strip()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with opener.open(home, timeout=30) as answer:
            assert "<title>Review of out.zip</title>" in answer.read().decode()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        late.cancel()
    assert "Traceback" not in err
    if number == signal.SIGINT:
        assert process.returncode == 0 and "decisions hold for 0 files" in out
    else:
        assert process.returncode == 143
