"""Who may open a page, what its responses forbid, and what its tabs hear."""

import asyncio

import pytest

from gan.errors import UserError
from gan.jobs.report_style import DARK, LIGHT
from gan.web.shell import Guard, Hub, application
from gan.web.shell.application import colour_sheet
from tests.gan.web.conftest import TOKEN

testclient = pytest.importorskip("starlette.testclient", reason="the extra web is not installed")
routing = pytest.importorskip("starlette.routing")
responses = pytest.importorskip("starlette.responses")

HOME = "http://127.0.0.1:9000"
SOCKET = "ws://127.0.0.1:9000/socket"


async def echo(request):
    return responses.PlainTextResponse(f"{request.method} {len(await request.body())}")


async def failing(request):
    raise UserError("the reason")


@pytest.fixture
def hub():
    return Hub()


@pytest.fixture
def app(tmp_path, hub):
    (tmp_path / "own.js").write_text("1")
    routes = [
        routing.Route("/", echo, methods=["GET", "POST"]),
        routing.Route("/fail", failing),
        routing.WebSocketRoute("/socket", hub.attend),
    ]
    return application("Test", lambda: routes, tmp_path, TOKEN, names=("work.example",), max_body=1000)


@pytest.fixture
def client(app):
    return testclient.TestClient(app, base_url=HOME)


@pytest.fixture
def inside(client):
    """A client that has opened the address with the token."""
    assert client.get("/", params={"token": TOKEN}).status_code == 200
    return client


def test_nothing_without_the_token(client):
    for path in ("/", "/fail", "/static/shell/shell.css", "/static/page/own.js", "/none"):
        answer = client.get(path)
        assert answer.status_code == 401 and "address that the command printed" in answer.text
    assert client.post("/", content=b"x").status_code == 401
    with pytest.raises(testclient.WebSocketDisconnect), client.websocket_connect(SOCKET):
        pass


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], TOKEN + "x", "ünï"])
def test_nothing_with_another_token(client, token):
    assert client.get("/", params={"token": token}).status_code == 401
    assert client.get("/", headers={"cookie": f"gan-9000={token.encode().hex()}"}).status_code == 401


def test_the_token_leaves_the_address_for_a_cookie(client):
    answer = client.get("/", params={"token": TOKEN, "view": "a b"}, follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"] == "/?view=a+b"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"gan-9000={TOKEN};") and "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert client.get("/").text == "GET 0"


def test_the_token_in_an_address_opens_pages_alone(client):
    assert client.post("/", params={"token": TOKEN}, content=b"x").status_code == 401
    with pytest.raises(testclient.WebSocketDisconnect), client.websocket_connect(f"{SOCKET}?token={TOKEN}"):
        pass


def test_the_way_from_the_token_stays_here(client):
    answer = client.get(f"{HOME}//evil.example/%0d%0aX: y?token={TOKEN}", follow_redirects=False)
    assert answer.headers["location"] == "/evil.example/%0D%0AX%3A%20y"


def test_the_token_of_another_port_is_another(app, inside):
    cookies = {cookie.name: cookie.value for cookie in inside.cookies.jar}
    assert list(cookies.values()) == [TOKEN]
    other = testclient.TestClient(app, base_url="http://127.0.0.1:9001", cookies=cookies)
    assert other.get("/").status_code == 401


def test_tokens_are_compared_in_constant_time(inside, monkeypatch):
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    assert inside.get("/").status_code == 200
    assert compared == [(TOKEN.encode(), TOKEN.encode())]


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:9000", True),
        ("localhost:9000", True),
        ("LOCALHOST", True),
        ("[::1]:9000", True),
        ("192.168.0.7:9000", True),
        ("work.example:9000", True),
        ("evil.example:9000", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("evil.example@127.0.0.1", True),  # the host is 127.0.0.1
        ("[::1", False),
        ("", False),
    ],
)
def test_names_that_dns_could_lend_to_a_stranger(inside, host, allowed):
    assert inside.get("/", headers={"host": host}).status_code == (200 if allowed else 421)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (HOME, True),
        (None, True),
        ("http://evil.example", False),
        ("http://127.0.0.1:9001", False),
        ("null", False),
    ],
)
def test_origins(inside, origin, allowed):
    headers = {"origin": origin} if origin else {}
    assert inside.post("/", headers=headers).status_code == (200 if allowed else 403)
    assert inside.get("/", headers=headers).status_code == 200  # reading is bound by the cookie and CORS
    if allowed:
        with inside.websocket_connect(SOCKET, headers=headers):
            pass
    else:
        denied = pytest.raises(testclient.WebSocketDisconnect)
        with denied, inside.websocket_connect(SOCKET, headers=headers):
            pass


def test_what_responses_forbid(inside):
    for answer in (inside.get("/"), inside.get("/", headers={"host": "evil.example"}), inside.get("/none")):
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"


def test_bodies_are_bounded(inside):
    assert inside.post("/", content=bytes(1000)).text == "POST 1000"
    assert inside.post("/", content=bytes(1001)).status_code == 413

    def untold():  # sent in chunks, without a length
        yield from [bytes(400)] * 10

    answer = inside.post("/", content=untold())
    assert answer.status_code == 413 and "1,000 bytes" in answer.text


def test_a_length_that_lies_is_counted():
    """A body longer than its header says: what follows the limit never reaches the application."""
    got = []

    async def app(scope, receive, send):
        message = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            got.append(message)
        raise RuntimeError("cut off")

    async def run():
        parts = iter([{"type": "http.request", "body": bytes(600), "more_body": True}] * 9)
        sent = []
        headers = [(b"host", b"localhost"), (b"cookie", f"gan-9={TOKEN}".encode()), (b"content-length", b"9")]
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "server": ("h", 9)}

        async def receive():
            return next(parts)

        async def send(message):
            sent.append(message)

        await Guard(app, TOKEN, max_body=1000)(scope, receive, send)
        return sent

    sent = asyncio.run(run())
    assert [m["type"] for m in got] == ["http.request", "http.disconnect"]
    assert [m.get("status") for m in sent] == [413, None]


def test_errors_for_users_are_words(inside):
    answer = inside.get("/fail")
    assert answer.status_code == 400 and answer.json() == {"error": "the reason"}


def test_files_of_the_shell_and_the_page(inside):
    assert inside.get("/static/page/own.js").text == "1"
    answer = inside.get("/static/shell/shell.js")
    assert "export" in answer.text and "javascript" in answer.headers["content-type"]
    assert answer.headers["cache-control"] == "no-cache"
    etag = {"if-none-match": answer.headers["etag"]}
    assert inside.get("/static/shell/shell.js", headers=etag).status_code == 304
    for path in ("/static/page/../conftest.py", "/static/page/%2e%2e/secret", "/static/shell/../guard.py"):
        assert inside.get(path).status_code == 404
    assert inside.get("/docs").status_code == inside.get("/openapi.json").status_code == 404


def test_colours_in_light_and_dark(inside):
    sheet = inside.get("/static/shell/colours.css").text
    assert sheet == colour_sheet()
    light, by_system, by_button = sheet.strip().split("\n")
    assert f"--text:{LIGHT['text']};" in light and light.startswith(":root{color-scheme:light")
    assert f"--text:{DARK['text']};" in by_system and ':not([data-theme="light"])' in by_system
    assert f"--text:{DARK['text']};" in by_button and by_button.startswith(':root[data-theme="dark"]')


def test_every_tab_hears(client, hub):
    client.get("/", params={"token": TOKEN})
    with client, client.websocket_connect(SOCKET) as one, client.websocket_connect(SOCKET) as two:
        client.portal.call(hub.publish, {"n": 1})
        assert one.receive_json() == two.receive_json() == {"n": 1}
        two.close()
        client.portal.call(hub.publish, {"n": 2})
        assert one.receive_json() == {"n": 2}


def test_a_tab_that_does_not_keep_up_is_let_go(monkeypatch):
    """Its socket is closed, and the others are not kept waiting."""
    monkeypatch.setattr("gan.web.shell.sockets.QUEUED", 3)

    class Slow:
        closed, sent = None, 0

        async def accept(self):
            self.gone = asyncio.Event()

        async def receive(self):
            await self.gone.wait()
            return {"type": "websocket.disconnect"}

        async def send_json(self, message):
            self.sent += 1
            await asyncio.sleep(0.01)

        async def close(self, code):
            self.closed = code
            self.gone.set()

    async def run():
        hub, slow = Hub(), Slow()
        tab = asyncio.create_task(hub.attend(slow))
        await asyncio.sleep(0)
        assert len(hub) == 1
        for n in range(9):
            hub.publish({"n": n})
        assert len(hub) == 0
        await asyncio.wait_for(tab, 5)
        return slow

    slow = asyncio.run(run())
    assert slow.closed == 1013 and slow.sent <= 3


def test_a_guard_without_a_token():
    with pytest.raises(ValueError, match="needs a token"):
        Guard(None, "")
