"""Settings: a file, assignments, what is typed; and what is refused."""

import dataclasses

import pytest

from gan.errors import UsageError, UserError
from gan.jobs.serving.policies import Policies
from gan.jobs.serving.settings import ServeConfig, settings


def test_what_is_typed_goes_before_assignments_and_these_before_the_file(tmp_path):
    file = tmp_path / "serve.yaml"
    file.write_text("models: [a]\nport: 1\nqueue: 32\nterms: '2026'\n")
    found = settings(file, ["port=2", "queue=33"], {"port": 3, "host": None, "models": ()})
    assert (found.models, found.port, found.queue, found.terms) == (("a",), 3, 33, "2026")
    assert found.host == "127.0.0.1" and found.require_attestation and found.content_filter == "auto"
    assert settings(file, [], {"models": ("b", "c")}).models == ("b", "c")


WRONG = {
    "models": ("3", "expected"),
    "host": ("3", "host"),
    "port": ("70000", "port must be"),
    "state": ("3", "state"),
    "device": ("3", "device"),
    "tls_certificate": ("a.pem", "go together"),
    "tls_private_key": ("a.pem", "go together"),
    "queue": ("0", "queue must be >= 1"),
    "most_images": ("65", "could never be queued"),
    "deadline_seconds": ("0", "deadline_seconds must be above 0"),
    "most_batch_images": ("50001", "50,000 at most"),
    "batch_hours": ("0", "batch_hours must be above 0"),
    "batch_disk_gib": ("0", "batch_disk_gib must be above 0"),
    "workers": ("257", "workers must be 256 at most"),
    "ray": ("http://h:1", "ray must be HOST:PORT, auto or local"),
    "directions": ("3", "directions"),
    "memory_gib": ("-1", "memory_gib must be above 0"),
    "max_body_bytes": ("0", "max_body_bytes"),
    "body_seconds": (".nan", "body_seconds must be above 0"),
    "max_connections": ("0", "max_connections"),
    "content_filter": ("yess", "did you mean|known"),
    "content_threshold": ("2", "content_threshold must be from 0 to 1"),
    "blocklist": ("3", "blocklist"),
    "watermark": ("yess", "did you mean|known"),
    "c2pa": ("yess", "did you mean|known"),
    "c2pa_certificate": ("a.pem", "c2pa_certificate and c2pa_private_key go together"),
    "c2pa_private_key": ("a.pem", "c2pa_certificate and c2pa_private_key go together"),
    "max_verify_bytes": ("0", "max_verify_bytes"),
    "policies": ("{content: hide}", "policies.content: unknown value"),
    "memorisation": ("3", "memorisation"),
    "memorised_percentile": ("101", "memorised_percentile must be from 0 to 100"),
    "blocked_words": ("3", "blocked_words"),
    "blocked_classes": ("[1.5]", "blocked_classes"),
    "condition_bounds": ("[[2, 1]]", "condition_bounds: 2"),
    "input_classifier": ("3", "input_classifier"),
    "input_classifier_seconds": ("0", "input_classifier_seconds must be above 0"),
    "near_misses": ("0", "near_misses must be >= 1"),
    "near_miss_minutes": ("0", "near_miss_minutes must be above 0"),
    "redis": ("http://:secret@x", "redis must begin with redis://"),
    "require_attestation": ("maybe", "require_attestation"),
    "terms": ("1", "terms"),
}


def test_every_key_is_checked():
    assert list(WRONG) == [field.name for field in dataclasses.fields(ServeConfig)]


@pytest.mark.parametrize("key", WRONG)
def test_wrong_values(key):
    value, words = WRONG[key]
    with pytest.raises(UsageError, match=words):
        settings(None, [f"{key}={value}"], {"models": ("a",)} if key != "models" else None)


def test_a_password_is_not_shown():
    found = settings(None, ["redis=redis://:secret@h:1/0"], {"models": ("a",)})
    assert "secret" in found.redis and "secret" not in repr(found)
    with pytest.raises(UsageError) as caught:
        settings(None, ["redis=http://:secret@h"], {"models": ("a",)})
    assert "secret" not in str(caught.value)


def test_what_filters_do_is_part_of_the_file(tmp_path):
    file = tmp_path / "serve.yaml"
    file.write_text("models: [a]\npolicies:\n  content: blur\n  memorised: mark\nblocked_classes: [3, dog]\n")
    found = settings(file, ["policies.memorised=allow", "condition_bounds=[[-1, 1]]"])
    assert found.policies == Policies(content="blur", blocklist="block", memorised="allow")
    assert found.blocked_classes == (3, "dog") and found.condition_bounds == ((-1.0, 1.0),)
    assert Policies() == Policies(content="block", blocklist="block", memorised="block")


def test_on_and_off_are_words_as_they_are_typed(tmp_path):
    """YAML reads them as booleans."""
    file = tmp_path / "serve.yaml"
    file.write_text("models: [a]\ncontent_filter: off\nc2pa: on\nwatermark: 'off'\n")
    found = settings(file)
    assert (found.content_filter, found.c2pa, found.watermark) == ("off", "on", "off")
    found = settings(file, ["content_filter=on", "c2pa=off"])
    assert (found.content_filter, found.c2pa) == ("on", "off")
    with pytest.raises(UsageError, match="device"):
        settings(file, ["device=on"])


def test_an_answer_lies_in_memory():
    with pytest.raises(UsageError, match="256 at most"):
        settings(None, ["most_images=257", "queue=1000"], {"models": ("a",)})


def test_no_model_and_unknown_keys(tmp_path):
    with pytest.raises(UsageError, match="no model to serve"):
        settings(None)
    with pytest.raises(UsageError, match="did you mean 'queue'"):
        settings(None, ["queu=3"])
    with pytest.raises(UserError, match="none.yaml"):
        settings(tmp_path / "none.yaml")
