"""The watermark of what `gan serve` hands out: in pixels, headers, manifest and log."""

import io
import json
import stat
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from gan.jobs.marking.secret import FILE, secret_of
from gan.jobs.marking.watermark import Watermark
from gan.jobs.sampling import sample
from gan.jobs.serving.watermarking import payload_of
from tests.gan.jobs.marking.photographs import photograph, pixels
from tests.gan.runs import write_run
from tests.gan.web.serve_api import client_of

PHOTOGRAPH, SMALL = photograph(128, 5), photograph(16, 6)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "plain")


@pytest.fixture
def api(run, tmp_path, monkeypatch):
    """(setting -> client and service), whose models draw a photograph for odd seeds, else a small image."""
    opened = []

    def with_setting(value):
        opened.append(client_of([run], tmp_path / "state", watermark=value))
        client, service, _ = opened[-1].__enter__()

        async def drawn(model, wishes, seconds):
            return [PHOTOGRAPH if wish.seed % 2 else SMALL for wish in wishes]

        monkeypatch.setattr(service.engine, "_drawn", drawn)
        return client, service

    yield with_setting
    for each in opened:
        each.__exit__(None, None, None)


def post(client, seeds, **body):
    return client.post("/v1/images", json={"seeds": seeds, **body})


def decoded(data, form="PNG"):
    return pixels(Image.open(io.BytesIO(data), formats=(form,)))


def last(service):
    return json.loads(service.audit.path.read_text().splitlines()[-1])


def test_an_image_carries_the_mark_of_key_and_model(api):
    client, service = api("auto")
    answer = post(client, [1])
    assert answer.headers["x-gan-marked"] == "true" and last(service)["marked"] == [True]
    folder = service.audit.path.parent
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    marks = Watermark(secret_of(folder))
    payload = payload_of(service.keys.all()[0], service.models.of("plain").digest)
    assert torch.equal(decoded(answer.content), marks.embed(PHOTOGRAPH, payload))
    assert marks.detect(decoded(answer.content)).payload == payload
    number, digest = service.keys.all()[0].number, service.models.of("plain").digest
    assert f"{payload.key:04x}" == number[:4] and f"{payload.model:04x}" == digest[:4]
    for form in ("webp", "jpeg"):
        data = post(client, [1], format=form).content
        assert marks.detect(decoded(data, form.upper())).payload == payload
    assert post(client, [1]).content == answer.content


def test_what_cannot_carry_it_leaves_and_is_said_to_be_unmarked(api):
    client, service = api("auto")
    answer = post(client, [1, 2, 3], format="zip")
    assert answer.headers["x-gan-marked"] == "true,false,true"
    assert answer.headers["x-gan-verdict"] == "allowed,allowed,allowed"
    assert last(service)["marked"] == [True, False, True]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        manifest = json.loads(found.read("manifest.json"))
        assert torch.equal(decoded(found.read("seed0002.png")), SMALL)
    assert [each["marked"] for each in manifest["images"]] == [True, False, True]


def test_on_holds_back_what_cannot_carry_it(api):
    client, service = api("on")
    assert post(client, [2]).status_code == 403
    answer = post(client, [1, 2], format="zip")
    assert answer.headers["x-gan-verdict"] == "allowed,watermark"
    assert answer.headers["x-gan-marked"] == "true,false"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        assert found.namelist() == ["seed0001.png", "manifest.json"]
    assert last(service)["verdicts"] == ["allowed", "watermark"]


def test_off_changes_nothing_and_makes_no_secret(api):
    client, service = api("off")
    answer = post(client, [1])
    assert answer.headers["x-gan-marked"] == "false" and torch.equal(decoded(answer.content), PHOTOGRAPH)
    assert not (service.audit.path.parent / FILE).exists()


def test_a_blocked_image_is_not_marked(api, tmp_path, monkeypatch):
    client, service = api("auto")

    def refused(image):
        from gan.jobs.serving.filters import Verdict

        return Verdict(action="block", reason="blocklist")

    monkeypatch.setattr(service.engine.filters, "verdict", refused)
    assert post(client, [1]).status_code == 403 and last(service)["marked"] == [False]


def test_an_image_of_a_model_is_its_direct_call_with_the_mark(run, tmp_path):
    with client_of([run], tmp_path / "state") as (client, service, _):
        answer = post(client, [7])
        direct = sample(run, [7], device="cpu")[0]
        payload = payload_of(service.keys.all()[0], service.models.of("plain").digest)
        expected = Watermark(secret_of(tmp_path / "state")).embed(direct, payload)
        assert answer.headers["x-gan-marked"] == ("false" if expected is None else "true")
        expected = direct if expected is None else expected
        assert np.array_equal(decoded(answer.content).numpy(), expected.numpy())
