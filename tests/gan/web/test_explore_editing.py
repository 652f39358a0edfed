"""Jobs of the explore page that change pictures: uploads into z, models tuned to them, masks of a drag."""

import dataclasses
import functools
import json

import numpy as np
import pytest
import torch
from PIL import Image

import gan
from gan import config
from gan.files import sha256
from gan.images import to_uint8
from gan.latents.drag import Settings, drag
from gan.models import checkpoint
from gan.networks import sngan
from gan.web.explore import model as models
from gan.web.explore import saving, state, work
from gan.web.explore.projecting import with_latents
from gan.web.explore.state import Point, View
from tests.gan.cli.test_project import code_of
from tests.gan.jobs.test_uploads import PNG
from tests.gan.runs import write_run
from tests.gan.web import explored
from tests.gan.web.test_explore_routes import upload
from tests.gan.web.test_explore_tab import Tab, decoded, opened

websockets = pytest.importorskip("starlette.websockets", reason="the extra web is not installed")
FEW = {"steps": 4, "distance": "pixels"}
TUNED = {**FEW, "space": "pti", "tune_steps": 5, "tune_rate": 0.02}


@pytest.fixture
def model(tmp_path):
    """The model of a run on disk, which can be tuned."""
    return models.opened(write_run(tmp_path / "runs" / "00000-demo-tiny"), "cpu")


def project(client, tab, **asked):
    name = upload(client, tab.number, PNG).headers["x-upload"]
    tab.say(do="start", job="project", upload=name, **asked)


def test_a_picture_becomes_z_of_a_model_without_styles():
    torch.manual_seed(1)
    plain = sngan.GeneratorConfig(resolution=8, width=8, z_dim=8).build().eval().requires_grad_(False)
    model = explored.model(plain)
    assert model.facts()["spaces"] == ["z"]
    with opened(model) as client, Tab(client) as tab:
        project(client, tab, **{**FEW, "steps": 20}, space="z")
        found = state.point(tab.until("result")[0]["point"])
        z = state.unpacked(found.latent)
        assert z.shape == (1, model.renderer.generator.z_dim) and z.abs().max() > 0
        with torch.inference_mode():
            wanted = to_uint8(model.renderer.generator(z))[0]
        assert torch.equal(model.renderer.image(found), wanted)
        project(client, tab, **FEW, space="w")
        assert "unknown space 'w'" in tab.until("end")[0]["error"]


def test_a_latent_in_z_keeps_its_class():
    generator = sngan.GeneratorConfig(resolution=8, width=8, c_dim=3).build()
    point = with_latents(generator, torch.ones(1, generator.z_dim), torch.tensor([[0.0, 0.0, 1.0]]))
    assert point.label == 2 and state.unpacked(point.latent).tolist() == [[1.0] * generator.z_dim]


def test_a_tuned_model_is_written_and_shown_in_its_own_page(model, tmp_path):
    place, before = tmp_path / "tuned" / "001", model.renderer.image(Point(seed=3))
    with opened(model, folder=tmp_path / "tuned") as client, Tab(client) as tab:
        project(client, tab, **TUNED)
        header, _ = tab.until("result")
        assert str(place) in header["words"]
        query, _, fragment = header["link"].partition("#")
        view = state.from_fragment(fragment)
        [facts] = client.get(f"/api/facts{query}").json()["models"]
        assert facts["digest"] == sha256(place / "generator.safetensors") and "tuned" in facts["name"]
        assert view.model == facts["digest"][:12] and view.point == state.point(header["point"])
        with torch.inference_mode():
            wanted = to_uint8(gan.load(place).synthesis(state.unpacked(view.point.latent)[None]))[0]
        with Tab(client, query) as own:
            own.draw(1, view.point)
            got = decoded(own.until("picture")[1])
        assert got.tobytes() == wanted.permute(1, 2, 0).numpy().tobytes()
        assert not torch.equal(wanted, model.renderer.image(view.point))
        tab.draw(2, Point(seed=3))  # the other page goes on with the model of the command
        assert decoded(tab.until("picture")[1]).tobytes() == before.permute(1, 2, 0).numpy().tobytes()
        project(client, tab, **TUNED)
        assert str(tmp_path / "tuned" / "002") in tab.until("result")[0]["words"]


def test_a_tuned_model_that_is_not_open(model):
    with opened(model) as client:
        for path in ("/api/facts", "/api/map", "/"):
            answer = client.get(f"{path}?model=0123456789ab")
            assert answer.status_code == 400 and "gan explore FOLDER" in answer.json()["error"]
        closed = pytest.raises(websockets.WebSocketDisconnect)
        with closed, client.websocket_connect("ws://127.0.0.1:9000/socket?model=0123456789ab"):
            pass


def test_tuning_that_is_stopped_leaves_the_projection_alone(model, tmp_path):
    with opened(model, folder=tmp_path / "tuned") as client, Tab(client) as tab:
        project(client, tab, **{**TUNED, "tune_steps": 5000})
        while "tuning" not in tab.until("progress")[0]["words"]:
            pass
        tab.say(do="stop")
        header, _ = tab.until("result")
        assert header["words"].startswith("4 steps") and "link" not in header and header["point"]["latent"]
    assert not (tmp_path / "tuned").exists()


@pytest.mark.parametrize("wrong", [{"tune_steps": 0}, {"tune_rate": 0}, {"tune_rate": "x"}, {"tune_rate": 1}])
def test_tuning_that_makes_no_sense(model, wrong):
    with opened(model) as client, Tab(client) as tab:
        project(client, tab, **{**TUNED, **wrong})
        assert "tuning" in tab.until("end")[0]["error"]


@pytest.mark.parametrize(
    "point",
    [
        Point(seed=5, psi=0.6, psi_cutoff=3, label=1),
        Point(seed=5, noise="none", noise_layers=()),
        Point(seed=5, label=2, noise="random", noise_seed=9),
        Point(seed=5, noise_layers=(0.0, 1.0, 3.0, 2.0, 0.5)),
        Point(seed=5, psi=0.8, mix_seed=6, mix_layers=(0, 2)),
    ],
    ids=["psi", "no noise", "drawn", "strengths", "mix"],
)
def test_a_saved_picture_is_made_again_by_gan_sample(tmp_path, point):
    generator = explored.stylegan(resolution=16)
    about = {"kimg": 0.0, "generator": config.to_dict(generator.config), "discriminator": None}
    run = checkpoint.write(tmp_path / "0", config=about, generator=generator, discriminator=None, card="")
    saved, again = tmp_path / "a.png", tmp_path / "b.png"
    saved.write_bytes(saving.png(models.opened(run, "cpu"), point))
    assert code_of(["sample", str(run), "--like", str(saved), "--out", str(again)]) == 0
    with Image.open(saved) as first, Image.open(again) as second:
        gap = np.asarray(first).astype(int) - np.asarray(second)
    assert abs(gap).max() <= 1


def test_what_the_page_alone_makes_again_says_so(model, tmp_path, capsys):
    ws = model.renderer.ws(Point(seed=2))[0]
    for point in (Point(amounts=(1.0,)), Point(place=(1.0, 0.0)), Point(latent=state.packed(ws))):
        (tmp_path / "a.png").write_bytes(saving.png(model, point))
        with Image.open(tmp_path / "a.png") as image:
            assert state.view(json.loads(image.text["gan"])["view"]).point == point
    view = View(keyframes=(Point(seed=1), Point(seed=2)), steps=2)
    with opened(model) as client, Tab(client) as tab:
        tab.say(do="start", job="film", suffix=".gif", view=state.plain(view))
        (tmp_path / "a.gif").write_bytes(tab.until("result")[1])
    with Image.open(tmp_path / "a.gif") as video:
        facts = json.loads(video.info["comment"])
    assert state.view(facts["view"]).keyframes == view.keyframes and facts["seeds"] == [1, 2]
    assert facts["model_sha256"] == model.digest
    for name in ("a.png", "a.gif"):
        command = ["sample", str(model.place), "--like", str(tmp_path / name), "--out", str(tmp_path / name)]
        assert code_of(command) == 1
        assert "is not of gan sample: the page of gan explore made it" in capsys.readouterr().err


def test_few_tuned_models_stay_open(model):
    with explored.workshop(model) as shop:
        names = [shop.keep(dataclasses.replace(model, digest=f"{i:064x}"[::-1])) for i in range(5)]
        assert len(set(names)) == 5 and list(shop.tuned) == names[1:]


def test_only_the_area_of_a_drag_moves(monkeypatch):
    few = functools.partial(Settings, steps=16)
    monkeypatch.setattr(work.drag, "Settings", few)
    model = explored.model(explored.stylegan(c_dim=0))
    asked = {"do": "start", "job": "drag", "point": {"seed": 5}, "pairs": [[6, 8, 12, 8]], "rate": 0.02}
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[2:31, :16] = True
    ends = [torch.tensor([[6.0, 8.0]]), torch.tensor([[12.0, 8.0]])]
    ws = model.renderer.ws(Point(seed=5)).clone()
    with opened(model) as client, Tab(client) as tab:
        seen = []
        for area, given in (([0, 2, 15, 30], mask), (None, None)):
            tab.say(**asked, area=area)
            found = state.point(tab.until("result")[0]["point"])
            *_, last = drag(model.renderer.generator, ws, *ends, few(learning_rate=0.02), mask=given)
            assert torch.equal(state.unpacked(found.latent), last.ws[0])
            seen.append(last.ws)
        assert not torch.equal(*seen)
        for area in ([1, 2, 3], "all", [0, 0, "x", 4], [40, 40, 50, 50]):
            tab.say(**asked, area=area)
            assert tab.until("end")[0]["error"]
