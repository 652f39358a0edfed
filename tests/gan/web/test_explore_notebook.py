"""The explore page in a notebook: messages in, the page's very bytes out; and in a frame of a browser."""

import asyncio
import base64
import contextlib
import json
import queue
import re
import threading

import pytest

from gan.web import notebooks
from gan.web.explore import notebook, state
from gan.web.explore.notebook import Bridge
from gan.web.explore.pages import FOLDER, app
from gan.web.explore.saving import encoded
from gan.web.explore.state import Point, View
from tests.gan.jobs.test_uploads import PNG
from tests.gan.runs import write_run
from tests.gan.web import explored
from tests.gan.web.conftest import TOKEN
from tests.gan.web.driven import rgba

pytest.importorskip("fastapi", reason="the extra web is not installed")
WAIT = 120  # seconds, which only a failing test takes
LIVE = (  # what a slider or field of each panel asks for
    Point(seed=7, label=1),
    Point(seed=7, label=1, psi=0.4, psi_cutoff=5),
    Point(seed=7, label=1, mix_seed=3, mix_layers=(0, 1, 6)),
    Point(seed=7, label=1, amounts=(0.0, 2.5)),
    Point(seed=7, label=1, method="sefa", amounts=(-1.5,), layers=(2, 5)),
    Point(seed=7, label=1, noise="random", noise_seed=4, place=(0.5, -1.0)),
)


@pytest.fixture(scope="module")
def model():
    return explored.model(explored.stylegan())


class Frame:
    """The frame's side of a bridge, within the loop of a test."""

    def __init__(self, hear):
        self.hear, self.told = hear, asyncio.Queue()

    def send(self, content, buffers):
        self.told.put_nowait((content, [bytes(buffer) for buffer in buffers]))

    async def ask(self, path, method="GET", body=b""):
        self.hear({"do": "request", "id": path, "method": method, "path": path}, [memoryview(body)])
        return await asyncio.wait_for(self.told.get(), WAIT)

    async def open(self, name="s"):
        self.hear({"do": "open", "id": name, "path": "/socket"}, [])
        opened, hello = [await asyncio.wait_for(self.told.get(), WAIT) for _ in range(2)]
        assert opened[0] == {"id": name, "kind": "opened"}
        return self.frame(hello)[0]["tab"]

    def say(self, name="s", **message):
        self.hear({"do": "say", "id": name, "text": json.dumps(message)}, [])

    def frame(self, told):
        content, [data] = told
        assert content["kind"] == "frame"
        length = int.from_bytes(data[:4], "big")
        return json.loads(data[4 : 4 + length]), data[4 + length :]

    async def until(self, kind):
        while True:
            header, data = self.frame(await asyncio.wait_for(self.told.get(), WAIT))
            if header["kind"] == kind:
                return header, data
            assert header["kind"] == "progress", header


def within(shop, work):
    """Run work(frame) on the application of a workshop."""

    async def run():
        bridge = Bridge(app(shop, TOKEN).app, lambda *told: frame.send(*told))
        frame = Frame(bridge.heard)
        await work(frame)

    asyncio.run(run())


def test_pictures_are_the_pages_to_the_byte(model):
    async def work(frame):
        await frame.open()
        for serial, point in enumerate(LIVE):
            frame.say(do="draw", serial=serial, moving=False, point=state.plain(point))
            header, data = await frame.until("picture")
            assert header["serial"] == serial
            assert data == encoded(model.renderer.image(point))[1]
        frame.hear({"do": "close", "id": "s"}, [])
        assert (await asyncio.wait_for(frame.told.get(), WAIT))[0] == {"id": "s", "kind": "closed"}

    with explored.workshop(model) as shop:
        within(shop, work)


def test_requests_are_answered_as_by_the_server(model):
    async def work(frame):
        content, [body] = await frame.ask("/api/facts")
        assert content["status"] == 200 and json.loads(body)["models"] == [model.facts()]
        content, [body] = await frame.ask("/api/directions?method=sefa")
        assert json.loads(body)["names"] == list(model.renderer.directions("sefa").names)
        asked = json.dumps({"kind": "json", "point": {"seed": 9}}).encode()
        content, [body] = await frame.ask("/api/save", "POST", asked)
        assert json.loads(body)["point"] == {"seed": 9}
        assert "seed0009" in content["headers"]["content-disposition"]
        content, [body] = await frame.ask("/api/directions?method=file")
        assert content["status"] == 400 and "--directions" in json.loads(body)["error"]
        tab = await frame.open()
        content, [body] = await frame.ask(f"/api/upload?tab={tab}", "POST", PNG)
        name = content["headers"]["x-upload"]
        frame.say(do="start", job="project", upload=name, steps=3, space="w", distance="pixels")
        assert state.point((await frame.until("result"))[0]["point"]).latent

    with explored.workshop(model) as shop:
        within(shop, work)


def test_what_is_no_message_and_many_sockets(model, monkeypatch):
    monkeypatch.setattr(notebook, "MOST_SOCKETS", 2)

    async def work(frame):
        for content in ({}, {"do": "say", "id": "none", "text": "x"}, {"do": "close", "id": None}):
            frame.hear(content, [])
        for name in "ab":
            await frame.open(name)
        frame.hear({"do": "open", "id": "c", "path": "/socket"}, [])
        told = [(await asyncio.wait_for(frame.told.get(), WAIT))[0] for _ in range(3)]
        assert {"id": "a", "kind": "closed"} in told and {"id": "c", "kind": "opened"} in told

    with explored.workshop(model) as shop:
        within(shop, work)


def test_the_document_asks_for_no_file():
    text = notebook.document("<b>tiny</b>")
    assert "/static/" not in text and "http" not in text and "&lt;b&gt;tiny" in text
    [imports] = re.findall(r'<script type="importmap">(.*?)</script>', text)
    modules = {
        name: base64.b64decode(address.partition(",")[2]).decode()
        for name, address in json.loads(imports)["imports"].items()
    }
    sources = {path.name for path in (FOLDER / "static").glob("*.js")} - {"widget.js"}
    assert sources < modules.keys() and "widget.js" not in modules
    for name, module in modules.items():
        wanted = re.findall(r'^import .*? from "(.*?)";$', module, re.MULTILINE | re.DOTALL)
        assert set(wanted) <= modules.keys(), name


def test_a_widget_and_a_sheet_for_who_only_reads(tmp_path, monkeypatch):
    pytest.importorskip("anywidget", reason="pip install -e .[notebooks]")
    run, bundles = write_run(tmp_path / "run"), []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **how: bundles.append(bundle))
    shown = notebooks.explorer(run, device="cpu", height=500)
    assert shown.widget.height == 500 and "run at 12 kimg" in shown.widget.page and shown.view == View()
    view = View(point=Point(seed=4, amounts=(1.0,)))
    shown.widget.hash = f"#{state.fragment(view)}"
    assert shown.view == view
    monkeypatch.setitem(__import__("sys").modules, "anywidget", None)
    assert notebooks.explorer(run, device="cpu") is None
    assert bundles[0]["image/png"] == bundles[1]["image/png"]
    assert "application/vnd.jupyter.widget-view+json" in bundles[0]
    assert "application/vnd.jupyter.widget-view+json" not in bundles[1]


@contextlib.contextmanager
def kernel(shop, told):
    """heard(content, body): a bridge in a thread with a loop, as a kernel's, which tells `told`."""
    loop = asyncio.new_event_loop()
    bridge = Bridge(app(shop, TOKEN).app, lambda content, buffers: told.put((content, buffers)))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def heard(content, body):
        loop.call_soon_threadsafe(bridge.heard, content, [bytes(body)])

    try:
        yield heard
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT)
        loop.close()


HARNESS = """async (source) => {
  const hearers = new Set(), values = __VALUES__;
  window.deliver = (content, text) => {
    const decoded = text === null ? null : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const bytes = decoded === null ? [] : [new DataView(decoded.buffer)];
    for (const heard of hearers) heard(content, bytes);
  };
  window.values = values;
  const model = {
    get: (name) => values[name], set: (name, value) => { values[name] = value; }, save_changes() {},
    on: (_, heard) => hearers.add(heard), off: (_, heard) => hearers.delete(heard),
    send: (content, _, buffers) => window.toKernel(content, Array.from(new Uint8Array(buffers?.[0] || 0))),
  };
  const widget = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  window.end = widget.default.render({ model, el: document.body });
}"""


def pump(page, told, until):
    """Carry the kernel's messages to the page until a condition holds."""
    for _ in range(1500):
        while not told.empty():
            content, buffers = told.get()
            data = base64.b64encode(bytes(buffers[0])).decode() if buffers else None
            page.evaluate("([content, data]) => deliver(content, data)", [content, data])
        if until():
            return
        page.wait_for_timeout(20)
    raise AssertionError("nothing came")


def test_the_widget_in_a_browser(model, tab):
    told = queue.Queue()
    with explored.workshop(model) as shop, kernel(shop, told) as heard:
        page = tab("about:blank")
        page.expose_function("toKernel", heard)
        values = json.dumps({"page": notebook.document("tiny"), "hash": "", "height": 700}).replace(
            "</", "<\\/"
        )
        source = (FOLDER / "static" / "widget.js").read_text(encoding="utf-8")
        page.evaluate(HARNESS.replace("__VALUES__", values), source)
        frame = page.frames[-1]
        pixels = """() => { const c = document.querySelector("#figures canvas");
          return c && c.dataset.moving === "false"
            ? Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data) : null; }"""

        def shows(point):
            return lambda: bytes(frame.evaluate(pixels) or b"") == rgba(model.renderer.image(point))

        pump(page, told, shows(Point()))
        field = frame.get_by_label("Truncation ψ, value")
        field.fill("0.3")
        field.press("Tab")
        pump(page, told, shows(Point(psi=0.3)))
        text = page.evaluate("values.hash").removeprefix("#")
        assert state.from_fragment(text).point == Point(psi=0.3)
        assert frame.locator("#share").is_hidden()
        page.evaluate("end()")
        while told.get(timeout=WAIT)[0].get("kind") != "closed":
            pass
