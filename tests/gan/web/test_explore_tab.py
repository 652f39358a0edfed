"""A tab's socket: the newest request wins, tabs leave each other alone, and the end of one ends its work."""

import io
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from PIL import Image

from gan.images import to_pil
from gan.web.explore import state
from gan.web.explore.pages import app
from gan.web.explore.state import Point, View
from tests.gan.web import explored
from tests.gan.web.conftest import TOKEN

testclient = pytest.importorskip("starlette.testclient", reason="the extra web is not installed")
WAIT = 20  # seconds, which only a failing test takes


@contextmanager
def opened(*models, **how):
    """A client with the page's cookie. how: of the workshop."""
    with explored.workshop(*models, **how) as shop:
        client = testclient.TestClient(app(shop, TOKEN), base_url="http://127.0.0.1:9000")
        with client:
            assert client.get("/", params={"token": TOKEN}).status_code == 200
            yield client


class Tab:
    """The other end of a socket."""

    def __init__(self, client, query=""):
        self.session = client.websocket_connect(f"ws://127.0.0.1:9000/socket{query}")

    def __enter__(self):
        self.socket = self.session.__enter__()
        hello, _ = self.hear()
        assert hello["kind"] == "hello"
        self.number = hello["tab"]
        return self

    def __exit__(self, *error):
        return self.session.__exit__(*error)

    def say(self, **message):
        self.socket.send_text(json.dumps(message))

    def draw(self, serial, point=None, moving=False):
        self.say(do="draw", serial=serial, point=state.plain(point or Point()), moving=moving)

    def hear(self):
        frame = self.socket.receive_bytes()
        length = int.from_bytes(frame[:4], "big")
        return json.loads(frame[4 : 4 + length]), frame[4 + length :]

    def until(self, kind):
        for _ in range(3000):
            header, data = self.hear()
            if header["kind"] == kind:
                return header, data
            assert header["kind"] not in ("error", "refused", "end", "result"), header
        raise AssertionError(f"no {kind}")

    def heard_all(self):
        """The server has read all that was said before."""
        self.say(do="nothing")
        assert "draw, start or stop" in self.until("error")[0]["error"]


def decoded(data):
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
        return image.convert("RGB")


class Slow:
    """A model whose pictures wait until they may go on."""

    def __init__(self):
        self.name, self.renderer, self.styled = "slow", self, False
        self.seen, self.began, self.go = [], threading.Event(), threading.Event()

    def image(self, point, moving):
        self.seen.append(point.seed)
        self.began.set()
        assert self.go.wait(WAIT)
        return torch.zeros(3, 4, 4, dtype=torch.uint8)


def test_a_slow_renderer_sees_only_the_first_and_the_last():
    slow = Slow()
    with opened(slow) as client, Tab(client) as tab:
        tab.draw(1, Point(seed=1), moving=True)
        assert slow.began.wait(WAIT)
        for seed in range(2, 30):
            tab.draw(seed, Point(seed=seed), moving=True)
        tab.heard_all()
        slow.go.set()
        assert [tab.until("picture")[0]["serial"] for _ in range(2)] == [1, 29]
        assert slow.seen == [1, 29]


def test_closing_the_tab_stops_its_pictures():
    slow = Slow()
    with opened(slow) as client:
        with Tab(client) as tab:
            tab.draw(1, Point(seed=1))
            assert slow.began.wait(WAIT)
            tab.draw(2, Point(seed=2))
            tab.heard_all()
        slow.go.set()
        time.sleep(0.2)
        assert slow.seen == [1]


def endless(ended):
    """A job that goes on until it is stopped."""

    def job(tab, asked, say):
        try:
            for step in range(10**6):
                say(step / 10**6, str(step), None, {})
                time.sleep(0.005)
        finally:
            ended.set()

    return {"endless": job}


def test_closing_the_tab_stops_its_job():
    ended = threading.Event()
    with opened(Slow(), jobs=endless(ended)) as client:
        with Tab(client) as tab:
            tab.say(do="start", job="endless")
            tab.until("progress")
            assert not ended.is_set()
        assert ended.wait(WAIT)


def test_one_job_at_a_time_and_its_stop():
    ended = threading.Event()
    with opened(Slow(), jobs=endless(ended)) as client, Tab(client) as tab:
        tab.say(do="start", job="endless")
        tab.until("progress")
        tab.say(do="start", job="endless")
        assert "one job is at work" in tab.until("refused")[0]["error"]
        tab.say(do="stop")
        assert tab.until("end")[0] == {"kind": "end", "job": "endless"}
        assert ended.is_set()
        tab.say(do="start", job="endless")  # and another one may begin
        tab.until("progress")
        tab.say(do="start", job="unheard of")
        assert "no such job" in tab.until("refused")[0]["error"]
        tab.say(do="start", job=["endless"])
        assert "no such job" in tab.until("refused")[0]["error"]


def test_two_tabs_do_not_disturb_each_other():
    generator, ended = explored.stylegan(), threading.Event()
    model = explored.model(generator)
    with opened(model, jobs=endless(ended)) as client, Tab(client) as one, Tab(client) as two:
        one.say(do="start", job="endless")
        one.until("progress")
        two.say(do="stop")  # which is about its own job
        for serial in range(3):
            one.draw(serial, Point(seed=serial))
            two.draw(100 + serial, Point(seed=50 + serial))
            for tab, number, seed in ((one, serial, serial), (two, 100 + serial, 50 + serial)):
                header, data = tab.until("picture")
                assert header["serial"] == number
                assert decoded(data).tobytes() == to_pil(model.renderer.image(Point(seed=seed))).tobytes()
        assert not ended.is_set()


def test_pictures_of_two_models():
    first, second = explored.model(explored.stylegan()), explored.model(explored.stylegan3_t())
    fitting = Point(seed=4, psi=0.5, mix_layers=(0, 7), amounts=(1.0,), layers=(0, 7))
    point = replace(fitting, label=2, noise_layers=(0.0,) * 7)
    with opened(first, second) as client, Tab(client) as tab:
        tab.draw(1, point)
        sides = [tab.until("picture") for _ in range(2)]
    assert [header["side"] for header, _ in sides] == [0, 1]
    assert decoded(sides[0][1]).tobytes() == to_pil(first.renderer.image(point)).tobytes()
    assert decoded(sides[1][1]).tobytes() == to_pil(second.renderer.image(fitting)).tobytes()
    assert len(sides[0][0]["place"]) == 2


def test_a_second_model_of_any_kind_gets_what_it_can_use():
    kept = Point(seed=4, label=2, psi=0.5, method="sefa", amounts=(1.0,))
    point = replace(kept, latent=state.packed(torch.ones(8, 8)), turn=9.0)
    assert explored.model(explored.plain()).fitted(point) == Point(seed=4)
    assert explored.model(explored.stylegan()).fitted(point) == kept


def test_moving_pictures_are_small_and_pictures_at_rest_exact():
    model = explored.model(explored.stylegan(resolution=256, c_dim=0))
    with opened(model) as client, Tab(client) as tab:
        tab.draw(1, moving=True)
        header, data = tab.until("picture")
        assert header["moving"] and decoded(data).size == (128, 128)
        tab.draw(2)
        header, data = tab.until("picture")
        assert not header["moving"] and header["type"] == "image/png" and decoded(data).size == (256, 256)
        assert decoded(data).tobytes() == to_pil(model.renderer.image(Point())).tobytes()


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 9000, '{"do": 3}', '{"do": "dance"}'])
def test_malformed_messages_are_answered(text):
    with opened(explored.model(explored.stylegan())) as client, Tab(client) as tab:
        tab.socket.send_text(text)
        assert tab.until("error")[0]["error"]
        tab.draw(7, Point(seed=1))
        assert tab.until("picture")[0]["serial"] == 7


def test_a_point_that_does_not_fit_is_an_error_of_its_picture():
    with opened(explored.model(explored.stylegan())) as client, Tab(client) as tab:
        tab.draw(5, Point(label=9))
        header, _ = tab.until("error")
        assert header["serial"] == 5 and "class 9 does not exist" in header["error"]


def test_a_film():
    with opened(explored.model(explored.stylegan())) as client, Tab(client) as tab:
        view = View(keyframes=(Point(seed=1), Point(seed=2)), steps=5, fps=10)
        tab.say(do="start", job="film", view=state.plain(view), suffix=".gif")
        header, data = tab.until("result")
        assert header["name"] == "path.gif" and header["words"] == "10 frames"
        with Image.open(io.BytesIO(data), formats=("GIF",)) as film:
            assert film.n_frames == 10 and film.size == (256, 256)
        for asked in ({"suffix": ".exe", "view": {}}, {"suffix": ".gif", "view": {}}, {"suffix": ".gif"}):
            tab.say(do="start", job="film", **asked)
            assert tab.until("end")[0]["error"]


def test_points_are_dragged():
    model = explored.model(explored.stylegan())
    with opened(model) as client, Tab(client) as tab:
        point = Point(seed=3, label=1, psi=0.8, mix_layers=(2,), amounts=(1.0,))
        asked = {"point": state.plain(point), "rate": 0.05}
        tab.say(do="start", job="drag", pairs=[[10.0, 10.0, 14.0, 10.0]], **asked)
        header, _ = tab.until("result")
        found = state.point(header["point"])
        assert found.latent and (found.seed, found.psi, found.mix_layers, found.amounts) == (3, 1.0, (), ())
        before, after = model.renderer.ws(point), state.unpacked(found.latent)[None]
        assert torch.equal(after[:, 6:], before[:, 6:]) and not torch.equal(after[:, :6], before[:, :6])
        for pairs in (
            None,
            [],
            [[1, 2, 3]],
            [["a", 1, 1, 1]],
            [[1e9, 1, 1, 1]],
            [[10**400, 1, 1, 1]],
            [[1, 1, 1, 1]] * 17,
        ):
            tab.say(do="start", job="drag", pairs=pairs, **asked)
            assert tab.until("end")[0]["error"]


def test_nothing_of_the_way_comes_after_its_end():
    """A job that ends at once after much progress: what is still on its way is dropped."""

    def job(tab, asked, say):
        for step in range(200):
            say(step / 200, str(step), torch.zeros(3, 64, 64, dtype=torch.uint8), {})
        return {"words": "done"}, b""

    with opened(Slow(), jobs={"quick": job}) as client, Tab(client) as tab:
        for _ in range(5):
            tab.say(do="start", job="quick")
            assert tab.until("result")[0]["words"] == "done"
            tab.say(do="nothing")
            assert tab.hear()[0]["kind"] == "error"


def test_a_defect_of_a_job_is_told_and_ends_it_alone(capsys):
    def job(tab, asked, say):
        raise ZeroDivisionError("a defect")

    with opened(explored.model(explored.stylegan()), jobs={"broken": job}) as client, Tab(client) as tab:
        tab.say(do="start", job="broken")
        assert "terminal" in tab.until("end")[0]["error"]
        tab.draw(1)
        assert tab.until("picture")[0]["serial"] == 1
    assert "ZeroDivisionError: a defect" in capsys.readouterr().err


def test_a_defect_of_a_picture_is_told(capsys):
    class Broken(Slow):
        def image(self, point, moving):
            raise ZeroDivisionError("a defect")

    with opened(Broken()) as client, Tab(client) as tab:
        for serial in (1, 2):
            tab.draw(serial)
            header, _ = tab.until("error")
            assert header["serial"] == serial and "terminal" in header["error"]
    assert "ZeroDivisionError: a defect" in capsys.readouterr().err
