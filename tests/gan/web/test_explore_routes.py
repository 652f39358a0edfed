"""Routes of the explore page: facts, the map, saved files, uploads, and who may ask."""

import io
import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load

from gan.images import to_pil
from gan.jobs import uploads
from gan.latents import sefa
from gan.models import direction_files as directions
from gan.web.explore import model as models
from gan.web.explore import pages, saving, state
from gan.web.explore.state import Point
from tests.gan.jobs.test_uploads import HOSTILE, PNG
from tests.gan.web import explored
from tests.gan.web.conftest import TOKEN
from tests.gan.web.test_explore_tab import Tab, opened

testclient = pytest.importorskip("starlette.testclient", reason="the extra web is not installed")
websockets = pytest.importorskip("starlette.websockets")
POINT = Point(seed=5, label=1, psi=0.5)


@pytest.fixture
def model():
    return explored.model(explored.stylegan())


@pytest.fixture
def client(model):
    with opened(model) as client:
        yield client


def test_the_page_loads_nothing_from_elsewhere(client):
    text = client.get("/").text
    assert "<title>Explore</title>" in text and "http://" not in text and "https://" not in text
    assert "<script>" not in text and "style=" not in text and "onclick" not in text
    for path in (pages.FOLDER / "static").iterdir():
        assert client.get(f"/static/page/{path.name}").status_code == 200
        assert "https://" not in path.read_text() and "eval(" not in path.read_text()


def test_nothing_without_the_token(model):
    with explored.workshop(model) as shop:
        stranger = testclient.TestClient(pages.app(shop, TOKEN), base_url="http://127.0.0.1:9000")
        for path in ("/", "/api/facts", "/api/map", "/api/directions?method=pca"):
            assert stranger.get(path).status_code == 401
        for path in ("/api/save", "/api/upload?tab=x"):
            assert stranger.post(path, content=b"{}").status_code == 401
        closed = pytest.raises(websockets.WebSocketDisconnect)
        with closed, stranger.websocket_connect("ws://127.0.0.1:9000/socket"):
            pass


def test_facts(client):
    facts = client.get("/api/facts").json()
    assert facts["defaults"]["point"]["psi"] == 1.0
    [model] = facts["models"]
    assert model["labels"] == ["apple", "tree", "dog"] and model["methods"] == ["pca", "sefa"]
    assert model["layers"] == ["4", "8", "8", "16", "16", "32", "32", "RGB"]
    assert model["noise"][0] == "4×4" and model["noise"][-1] == "32×32" and len(model["noise"]) == 7
    assert (model["width"], model["height"], model["styled"], model["movable"]) == (32, 32, True, False)
    assert ".gif" in model["videos"] and not model["data"]


def test_facts_of_other_models():
    facts = explored.model(explored.stylegan3_t()).facts()
    assert facts["movable"] and facts["noise"] == [] and facts["layers"][0] == "input"
    assert len(facts["layers"]) == 8
    facts = explored.model(explored.plain()).facts()
    assert not facts["styled"] and "layers" not in facts and facts["methods"] == ["pca"]


def test_the_map_has_the_first_seeds(client, model):
    dots = client.get("/api/map").json()["dots"]
    ws = model.renderer.ws(Point(seed=17))
    assert dots[17] == [round(x, 3) for x in model.renderer.coordinates(ws[:, 0])[0].tolist()]
    assert len(dots) == 600


def test_directions(client):
    answer = client.get("/api/directions", params={"method": "sefa"}).json()
    assert (
        len(answer["names"]) == 8 and answer["space"] == "w" and sum(answer["explained"]) == pytest.approx(1)
    )
    answer = client.get("/api/directions", params={"method": "file"})
    assert answer.status_code == 400 and "--directions FILE" in answer.json()["error"]


def saved(client, kind, point=POINT, **more):
    return client.post("/api/save", json={"kind": kind, "point": state.plain(point), **more})


def test_a_saved_picture_says_how_to_make_it_again(client, model):
    answer = saved(client, "png")
    assert 'filename="seed0005.png"' in answer.headers["content-disposition"]
    with Image.open(io.BytesIO(answer.content), formats=("PNG",)) as image:
        assert image.tobytes() == to_pil(model.renderer.image(POINT)).tobytes()
        about = json.loads(image.text[saving.KEY])
    assert state.point(about["point"]) == POINT and about["digest"] == model.digest
    assert state.from_fragment(about["link"].removeprefix("#")).point == POINT
    assert json.loads(saved(client, "json").content) == about


def test_a_saved_latent(client, model):
    tensors = load(saved(client, "latent").content)
    assert torch.equal(tensors["ws"], model.renderer.ws(POINT))


def test_the_second_model_is_saved_on_request():
    first, second = explored.model(explored.stylegan()), explored.model(explored.plain(), "other")
    with opened(first, second) as client:
        assert json.loads(saved(client, "json", Point(), side=1).content)["model"] == "other"
        answer = saved(client, "latent", Point(), side=1)
        assert answer.status_code == 400 and "no style space" in answer.json()["error"]
        assert saved(client, "png", side=2).status_code == 400


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"[" * 9000, b'{"kind": "exe", "point": {}}', b'{"point": 3}']
)
def test_malformed_requests(client, body):
    answer = client.post("/api/save", content=body)
    assert answer.status_code == 400 and answer.json()["error"]


def upload(client, tab, data):
    return client.post("/api/upload", params={"tab": tab}, content=data)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "more bytes than are taken"])
def test_hostile_uploads_are_refused(client, name):
    with Tab(client) as tab:
        answer = upload(client, tab.number, HOSTILE[name])
        assert answer.status_code == 400 and "\n" not in answer.json()["error"]


def test_large_uploads_are_cut_off(client):
    with Tab(client) as tab:
        assert upload(client, tab.number, bytes(uploads.MOST_BYTES + 1)).status_code == 413


def test_an_upload_is_projected(client, model):
    with Tab(client) as tab, Tab(client) as other:
        answer = upload(client, tab.number, PNG)
        assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
        asked = {
            "do": "start",
            "job": "project",
            "upload": answer.headers["x-upload"],
            "steps": 6,
            "space": "w+",
        }
        other.say(**asked, distance="pixels")
        assert "choose a picture" in other.until("end")[0]["error"]  # another tab's upload is not its own
        tab.say(**asked, distance="pixels")
        header, _ = tab.until("result")
        assert "PSNR" in header["words"]
        found = state.point(header["point"])
        assert state.unpacked(found.latent).shape == (8, 8)
        model.renderer.image(found)
        for wrong in ({"steps": 0}, {"steps": 10**9}, {"space": "x"}, {"distance": "far"}, {"steps": True}):
            tab.say(**{**asked, "distance": "pixels", **wrong})
            assert tab.until("end")[0]["error"], wrong


def test_a_projection_that_is_stopped_keeps_what_it_found(client):
    with Tab(client) as tab:
        name = upload(client, tab.number, PNG).headers["x-upload"]
        tab.say(do="start", job="project", upload=name, steps=5000, space="w", distance="pixels")
        while tab.until("progress")[0]["share"] == 0:
            pass
        tab.say(do="stop")
        header, _ = tab.until("result")
        assert 0 < int(header["words"].split()[0]) < 5000 and header["point"]["latent"]


def test_uploads_are_few_and_belong_to_open_tabs(client):
    assert upload(client, "unknown", PNG).status_code == 400
    with Tab(client) as tab:
        names = [upload(client, tab.number, PNG).headers["x-upload"] for _ in range(5)]
        assert len(set(names)) == 5
        tab.say(do="start", job="project", upload=names[0], steps=1, space="w", distance="pixels")
        assert "choose a picture" in tab.until("end")[0]["error"]  # the oldest is let go


def test_nearest_training_images(tiny_zip, own_cache):
    generator = explored.stylegan()
    with opened(explored.model(generator, data=str(tiny_zip))) as client, Tab(client) as tab:
        tab.say(do="start", job="nearest", point={"seed": 1})
        header, data = tab.until("result")
        numbers, distances = zip(*header["found"], strict=True)
        assert len(set(numbers)) == 6 and list(distances) == sorted(distances)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as row:
            assert row.size == (6 * 32, 32)
    with opened(explored.model(generator)) as client, Tab(client) as tab:
        tab.say(do="start", job="nearest", point={"seed": 1})
        assert "--data" in tab.until("end")[0]["error"]


def test_the_page_of_a_run(run_folder, tiny_zip, tmp_path, monkeypatch):
    """What the command calls: opens the models, and serves them at an address with the token."""
    served = {}

    def serve(app, host, port, say, max_message):
        served.update(app=app, host=host, port=port, max_message=max_message)

    monkeypatch.setattr(pages, "serve", serve)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: served.update(threads=count))
    directions.save(
        sefa.sefa(models.opened(run_folder, "cpu").renderer.generator, 4), tmp_path / "d.safetensors"
    )
    given = {"data": tiny_zip, "directions": tmp_path / "d.safetensors", "threads": 3}
    pages.explore([run_folder, run_folder], device="cpu", port=8123, token=TOKEN, **given)
    assert served["threads"] == 3
    assert (served["host"], served["port"], served["app"].token) == ("127.0.0.1", 8123, TOKEN)
    client = testclient.TestClient(served["app"], base_url="http://127.0.0.1:8123")
    client.get("/", params={"token": TOKEN})
    facts = client.get("/api/facts").json()["models"]
    assert [model["methods"] for model in facts] == [["file", "pca", "sefa"], ["pca", "sefa"]]
    assert [model["data"] for model in facts] == [True, False]
    assert [model["name"] for model in facts] == ["00000-demo-tiny at 12 kimg"] * 2
    most = state.View(keyframes=(Point(latent=state.packed(torch.randn(18, 512))),) * 64)
    assert len(json.dumps(state.plain(most))) < served["max_message"]
