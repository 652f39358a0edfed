"""What a client sees of filters: refused words and classes, and images blocked, blurred or marked."""

import io
import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from gan.jobs.sampling import sample
from gan.jobs.serving.filters import OUTCOMES
from gan.jobs.serving.policies import Policies, blurred
from tests.gan.jobs.serving.test_models import write_vectors
from tests.gan.runs import write_run
from tests.gan.web.serve_api import client_of, figures_of
from tests.gan.web.test_serve_images import pixels, problem, records
from training.preparation import hashes

pytest.importorskip("confusable_homoglyphs", reason="the extra serve is not installed")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [write_run(folder / "plain"), write_run(folder / "animals", ("cat", "dog", "water gun"))]


@pytest.fixture
def listed(runs, tmp_path):
    """A blocklist that names the image of seed 2."""
    image = sample(runs[0], [2], device="cpu")[0].permute(1, 2, 0).numpy()
    (tmp_path / "list.txt").write_text(hashes.exact(np.ascontiguousarray(image)))
    return str(tmp_path / "list.txt")


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("action", ["blur", "mark", "allow"])
def test_policies_in_files_and_headers(runs, tmp_path, listed, action, form):
    outcome = OUTCOMES[action]
    policies = Policies(blocklist=action)
    with client_of(runs[:1], tmp_path / "state", blocklist=listed, policies=policies) as (client, service, _):
        answer = client.post("/v1/images", json={"seeds": [2], "format": form})
        told = f"{outcome}:blocklist"
        assert answer.status_code == 200 and answer.headers["x-gan-verdict"] == told
        assert told.encode() in answer.content  # in the metadata
        image = sample(runs[0], [2], device="cpu")[0]
        if form == "png":
            assert torch.equal(pixels(answer.content), blurred(image) if action == "blur" else image)
            assert told in Image.open(io.BytesIO(answer.content), formats=("PNG",)).text["Source"]
        clean = client.post("/v1/images", json={"seeds": [1], "format": form})
        assert clean.headers["x-gan-verdict"] == "allowed" and outcome.encode() + b":" not in clean.content
        assert records(service)[-2]["verdicts"] == [told]
        assert f'gan_images_total{{verdict="{outcome}"}}' in figures_of(client, service)
        assert client.get("/v1/models").json()["policies"]["blocklist"] == action


def test_a_zip_holds_the_blurred_image_and_says_so(runs, tmp_path, listed):
    policies = Policies(blocklist="blur")
    with client_of(runs[:1], tmp_path / "state", blocklist=listed, policies=policies) as (client, _, _):
        answer = client.post("/v1/images", json={"seeds": [1, 2], "format": "zip"})
        with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
            verdicts = [each["verdict"] for each in json.loads(found.read("manifest.json"))["images"]]
            image = pixels(found.read("seed0002.png"))
    assert verdicts == ["allowed", "blurred:blocklist"]
    assert torch.equal(image, blurred(sample(runs[0], [2], device="cpu")[0]))


@pytest.fixture
def guarded(runs, tmp_path):
    (tmp_path / "words.txt").write_text("gun\nkiller\n")
    options = {"blocked_words": str(tmp_path / "words.txt"), "blocked_classes": ("dog",), "near_misses": 4}
    with client_of(runs, tmp_path / "state", **options) as found:
        yield found


def test_blocked_classes_and_words(guarded):
    client, service, _ = guarded
    assert (
        client.post("/v1/images", json={"model": "animals", "class": "cat", "seeds": [1]}).status_code == 200
    )
    for wanted in ("dog", 1, "water gun"):
        answer = client.post("/v1/images", json={"model": "animals", "class": wanted, "seeds": [1]})
        document = problem(answer, 403, "refused")
        assert "dog" not in document["detail"] and "gun" not in document["detail"]
        assert records(service)[-1]["event"] == "Refused"
    problem(client.post("/v1/images", json={"model": "animals", "seeds": [1]}), 422, "invalid")
    assert client.post("/v1/images", json={"model": "plain", "seeds": [1]}).status_code == 200
    me = next(key for key in service.keys.all() if key.name == "me")
    assert service.usage.used(me) == 2  # what is refused costs no quota


def test_near_misses_are_noted_and_a_key_with_many_has_to_wait(guarded):
    client, service, _ = guarded
    body = {"model": "animals", "class": "kilers", "seeds": [1]}
    problem(client.post("/v1/images", json={**body, "class": "killr"}), 422, "invalid")  # no such class
    assert [record["event"] for record in records(service)[-2:]] == ["near miss", "UsageError"]
    assert records(service)[-2]["label"] == "killr"
    for _ in range(4):
        problem(client.post("/v1/images", json={**body, "class": "k1ller"}), 403, "refused")
    answer = client.post("/v1/images", json={"model": "plain", "seeds": [1]})
    assert "came near" in problem(answer, 429, "too-many")["detail"]
    assert int(answer.headers["retry-after"]) > 60
    figures = figures_of(client, service)
    assert 'gan_inputs_total{outcome="near"} 1.0' in figures
    assert 'gan_inputs_total{outcome="refused"} 4.0' in figures


def test_a_classifier_of_ones_own_sees_requests(runs, tmp_path):
    own = tmp_path / "own.py"
    own.write_text("def ask(asked):\n    return asked['psi'] < 1 or 1 / 0")
    with client_of(runs[:1], tmp_path / "state", input_classifier=f"{own}:ask") as (client, service, _):
        assert client.post("/v1/images", json={"seeds": [1], "psi": 0.5}).status_code == 200
        problem(client.post("/v1/images", json={"seeds": [1]}), 403, "refused")
        assert 'gan_inputs_total{outcome="failed"} 1.0' in figures_of(client, service)


def test_a_classifier_that_hangs_is_a_problem_and_a_figure(runs, tmp_path):
    own = tmp_path / "own.py"
    own.write_text(
        "import threading\nevent = threading.Event()\n"
        "def ask(asked):\n    return asked['psi'] < 1 or event.wait(60)\n"
    )
    given = {"input_classifier": f"{own}:ask", "input_classifier_seconds": 0.2}
    with client_of(runs[:1], tmp_path / "state", **given) as (client, service, _):
        answer = client.post("/v1/images", json={"seeds": [1]})
        problem(answer, 503, "undecided")
        assert answer.headers["retry-after"] == "5" and records(service)[-1]["event"] == "Undecided"
        text = figures_of(client, service)
        assert 'gan_inputs_total{outcome="late"} 1.0' in text and "gan_input_classifier_stuck 1.0" in text
        assert client.post("/v1/images", json={"seeds": [1], "psi": 0.5}).status_code == 200
        me = next(key for key in service.keys.all() if key.name == "me")
        assert service.usage.used(me) == 1  # what could not be checked costs no quota
        service.inputs._classifier._hook.__globals__["event"].set()


def test_bounds_of_conditions_are_told(tmp_path):
    place = write_vectors(tmp_path / "vectors", [[0.5, 1.0], [2.0, -1.0], [0.0, 3.0]])
    with client_of([place], tmp_path / "state") as (client, _, _):
        (model,) = client.get("/v1/models").json()["models"]
        assert model["condition_bounds"] == [[0.0, 2.0], [-1.0, 3.0]]
        assert client.post("/v1/images", json={"seeds": [1], "condition": [2.0, -1.0]}).status_code == 200
        for wrong in ([2.1, 0.0], [0.0, 1e300]):
            answer = client.post("/v1/images", json={"seeds": [1], "condition": wrong})
            problem(answer, 422, "invalid")
        assert client.post("/v1/images", json={"seeds": [1]}).status_code == 200  # drawn from its seed
