"""POST /v1/images: directions, sizes, and formats within a zip, compared with direct calls."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

import gan
from gan.errors import UsageError, UserError
from gan.jobs.sampling import sample
from gan.jobs.sampling.drawing import draw
from gan.jobs.sampling.request import Along, Look, Request
from gan.jobs.serving.service import Service
from gan.jobs.serving.settings import ServeConfig
from gan.jobs.serving.sizes import sized
from gan.latents.sefa import sefa
from gan.models import direction_files
from gan.networks.base import digest
from tests.gan.runs import write_run
from tests.gan.web.serve_api import client_of
from tests.gan.web.test_serve_images import pixels, post, problem, records


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [write_run(folder / "plain"), write_run(folder / "classes", ("cat", "dog", "owl"))]


@pytest.fixture(scope="module")
def tables(runs, tmp_path_factory):
    """Files of directions: of each model, and one in z."""
    folder, found = tmp_path_factory.mktemp("directions"), {}
    for run in runs:
        found[run.name] = folder / f"{run.name}.safetensors"
        direction_files.save(sefa(gan.load(run), 3), found[run.name])
    generator = gan.load(runs[0])
    in_z = dataclasses.replace(
        direction_files.read(found["plain"]), space="z", layers=(), model=digest(generator)
    )
    found["z"] = folder / "z.safetensors"
    direction_files.save(in_z, found["z"])
    return found


@pytest.fixture
def api(runs, tables, tmp_path):
    given = {"directions": tuple(map(str, tables.values())), "most_images": 16, "watermark": "off"}
    with client_of(runs, tmp_path, **given) as found:
        yield found


def along(run, table, seed, index, amount, **given):
    """What `gan sample --direction TABLE:INDEX --range AMOUNT..AMOUNT --columns 1` draws."""
    way = Along(direction=f"{table}:{index}", span=(amount, amount))
    return draw(run, Request(seeds=str(seed), along=way, columns=1, **given), device="cpu")[0]


def step(table, index, amount):
    return {"file": table.name, "index": index, "amount": amount}


@pytest.mark.parametrize(("table", "index", "amount"), [("plain", 2, 2.5), ("plain", 0, -3.0), ("z", 1, 1.5)])
def test_an_image_along_a_direction_is_that_of_gan_sample(client, runs, tables, table, index, amount):
    steps = [step(tables[table], index, amount)]
    answer = post(client, seeds=[7], psi=0.7, directions=steps)
    assert answer.status_code == 200, answer.text
    wanted = along(runs[0], tables[table], 7, index, amount, look=Look(psi=0.7))
    assert torch.equal(pixels(answer.content), wanted)
    assert not torch.equal(wanted, sample(runs[0], [7], psi=0.7, device="cpu")[0])


def test_moved_images_ride_together_and_not_with_others(client, runs, tables):
    body = {"seeds": list(range(10)), "format": "zip", "class": "dog"}
    answer = post(client, "classes", **body, directions=[step(tables["classes"], 1, 2.0)])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        for seed in range(10):
            wanted = along(runs[1], tables["classes"], seed, 1, 2.0, labels="dog")
            assert torch.equal(pixels(found.read(f"seed{seed:04d}.png")), wanted)
        manifest = json.loads(found.read("manifest.json"))
    assert manifest["directions"] == [{"file": "classes.safetensors", "index": 1, "amount": 2.0}]


def test_two_directions_add_up(client, tables):
    one, other = step(tables["plain"], 0, 2.0), step(tables["plain"], 1, -1.0)
    both = post(client, seeds=[3], directions=[one, other])
    halves = post(client, seeds=[3], directions=[{**one, "amount": 1.0}, other, {**one, "amount": 1.0}])
    alone = post(client, seeds=[3], directions=[one])
    pair = pixels(both.content).int(), pixels(halves.content).int()
    assert (pair[0] - pair[1]).abs().max() <= 1 and both.content != alone.content


WRONG = [
    ([{"file": "none.safetensors", "index": 0, "amount": 1.0}], "unknown file of directions"),
    ([{"file": "classes.safetensors", "index": 0, "amount": 1.0}], "unknown file of directions"),
    ([{"file": "../plain.safetensors", "index": 0, "amount": 1.0}], "unknown file of directions"),
    ([{"file": "plain.safetensors", "index": 3, "amount": 1.0}], "directions 0 to 2"),
    ([{"file": "plain.safetensors", "index": 0, "amount": 21}], "directions.0.amount"),
    ([{"file": "plain.safetensors", "index": -1, "amount": 1.0}], "directions.0.index"),
    ([{"file": "plain.safetensors", "index": 0, "amount": 1.0}] * 9, "directions"),
    ([{"file": f"{name}.safetensors", "index": 0, "amount": 1.0} for name in ("plain", "z")], "one space"),
]


@pytest.mark.parametrize(("steps", "words"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_directions_that_do_not_fit(client, steps, words):
    document = problem(post(client, seeds=[1], directions=steps), 422, "invalid")
    assert words in document["detail"] or any(words == error["at"] for error in document["errors"])


def test_models_name_their_directions(client, tables):
    told = {each["name"]: each["directions"] for each in client.get("/v1/models").json()["models"]}
    names = list(direction_files.read(tables["classes"]).names)
    assert told["classes"] == [{"file": "classes.safetensors", "space": "w", "names": names}]
    assert [each["file"] for each in told["plain"]] == ["plain.safetensors", "z.safetensors"]


def test_files_of_directions_are_checked_at_the_start(runs, tables, tmp_path):
    def started(*directions):
        options = {"state": str(tmp_path / "state"), "device": "cpu", "content_filter": "off"}
        Service(ServeConfig(models=(str(runs[0]),), directions=tuple(map(str, directions)), **options))

    with pytest.raises(UserError, match=r"classes.safetensors belongs to no served model .*gan directions"):
        started(tables["classes"])
    with pytest.raises(UserError, match="there are no directions at"):
        started(tmp_path / "none.safetensors")
    again = tmp_path / "plain.safetensors"
    again.write_bytes(tables["plain"].read_bytes())
    with pytest.raises(UsageError, match=r"two files of directions are named plain.safetensors"):
        started(tables["plain"], again)


@pytest.mark.parametrize("size", [16, 40, 200])
def test_a_size_is_made_by_lanczos(client, runs, size):
    answer = post(client, seeds=[7], size=size)
    drawn = sample(runs[0], [7], device="cpu")[0].permute(1, 2, 0).numpy()
    wanted = Image.fromarray(drawn).resize((size, size), Image.Resampling.LANCZOS)
    assert np.array_equal(np.array(wanted), pixels(answer.content).permute(1, 2, 0).numpy())


def test_a_size_is_that_of_the_longer_side():
    image = torch.zeros(1, 30, 40, dtype=torch.uint8)
    assert sized(image, 20).shape == (1, 15, 20) and sized(image.mT, 20).shape == (1, 20, 15)
    assert sized(torch.zeros(4, 16, 16, dtype=torch.uint8), 32).shape == (3, 32, 32)
    assert sized(image, None) is image


def test_sizes_are_bounded(client):
    for size in (15, 2049, 10**9, -1, 1.5, "64"):
        document = problem(post(client, seeds=[1], size=size), 422, "invalid")
        assert document["errors"][0]["at"] == "size"
    assert post(client, seeds=[1], size=2048).status_code == 200


def test_an_answer_has_so_many_pixels(runs, tmp_path):
    with client_of(runs[:1], tmp_path, most_images=17) as (client, service, _):
        document = problem(post(client, count=17, size=2048, format="zip"), 422, "invalid")
        assert "ask for 16 at most" in document["detail"] and service.models.loaded() == []


@pytest.mark.parametrize(("form", "pillow"), [("webp", "WEBP"), ("jpeg", "JPEG")])
def test_files_of_a_format_in_a_zip(client, form, pillow):
    answer = post(client, seeds=[7, 8], format="zip", file_format=form, size=64)
    alone = post(client, seeds=[8], format=form, size=64)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        assert found.namelist() == [f"seed0007.{form}", f"seed0008.{form}", "manifest.json"]
        assert found.read(f"seed0008.{form}") == alone.content
        assert pixels(found.read(f"seed0007.{form}"), pillow).shape == (3, 64, 64)
        assert json.loads(found.read("manifest.json"))["size"] == 64
    document = problem(post(client, seeds=[7], file_format=form), 422, "invalid")
    assert "format zip" in document["detail"]


def test_a_filter_sees_the_image_as_the_model_made_it(api, monkeypatch):
    """A hash of a listed image must be met, whatever size a client asks for."""
    client, service, _ = api
    seen, real = [], service.engine.filters.verdict
    monkeypatch.setattr(
        service.engine.filters, "verdict", lambda image: seen.append(image.shape) or real(image)
    )
    assert post(client, seeds=[1], size=64).status_code == 200
    assert seen == [(3, 16, 16)]


def test_the_log_says_all_that_was_asked(api, tables):
    client, service, _ = api
    post(client, seeds=[1], size=64, directions=[step(tables["plain"], 1, 2.0)])
    made = records(service)[-1]
    assert made["event"] == "made" and made["size"] == 64
    assert made["directions"] == [["plain.safetensors", 1, 2.0]]


def test_memory_holds_with_directions(runs, tables, tmp_path):
    """Models are read at the start, for their digests, and none stays; later one makes room for the other."""
    size = max((run / "checkpoints" / "000012" / "generator.safetensors").stat().st_size for run in runs)
    given = {"directions": (str(tables["plain"]), str(tables["classes"])), "memory_gib": size * 1.5 / 2**30}
    with client_of(runs, tmp_path, **given) as (client, service, _):
        assert service.models.loaded() == []
        first = post(client, seeds=[1], directions=[step(tables["plain"], 1, 2.0)])
        assert service.models.loaded() == ["plain"]
        assert post(client, "classes", seeds=[1], directions=[step(tables["classes"], 1, 2.0)]).is_success
        assert service.models.loaded() == ["classes"]
        assert post(client, seeds=[1], directions=[step(tables["plain"], 1, 2.0)]).content == first.content
