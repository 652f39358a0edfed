"""Models of a server: bytes equal to those of gan.sample, labels, memory, names."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from gan.config import to_dict
from gan.errors import CheckpointError, UsageError, UserError
from gan.jobs.sampling import sample
from gan.jobs.serving.batching import Wish
from gan.jobs.serving.models import Catalogue, Models, facts_of
from gan.models import checkpoint
from gan.sampling import BATCH, remember_conditions
from tests.gan.runs import generator_config, write_run

CLASSES = ("cat", "dog", "owl")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {
        "plain": write_run(folder / "plain"),
        "other": write_run(folder / "other"),
        "classes": write_run(folder / "classes", CLASSES),
    }


@pytest.fixture
def models(runs):
    found = Models([str(path) for path in runs.values()], device="cpu", capacity=1000)
    yield found
    found.close()


def drawn(models, name, wishes):
    return torch.stack([future.result(60) for future in models.submit(name, wishes, 60)])


def test_bytes_are_those_of_a_direct_call_in_any_interleaving(models, runs):
    seeds = list(range(24))
    direct = {
        (name, psi): sample(runs[name], seeds, psi=psi, device="cpu")
        for name in ("plain", "classes")
        for psi in (1.0, 0.5)
    }
    rng = random.Random(5)
    jobs = [(key, seed) for key in direct for seed in seeds]
    rng.shuffle(jobs)
    parts = []
    while jobs:
        key, size = jobs[0][0], rng.randint(1, 5)
        chosen = [job for job in jobs if job[0] == key][:size]
        jobs = [job for job in jobs if job not in chosen]
        parts.append((key, [seed for _, seed in chosen]))

    def client(part):
        (name, psi), own = part
        return part, drawn(models, name, [Wish(seed=seed, psi=psi) for seed in own])

    with ThreadPoolExecutor(8) as clients:
        for ((name, psi), own), images in clients.map(client, parts):
            assert torch.equal(images, direct[name, psi][own]), (name, psi, own)


def test_a_batch_is_filled_up(models, monkeypatch):
    """The network sees as many samples whoever asked, so that no sum is rounded in another way."""
    seen, generator = [], models._generator("plain")
    real = generator.mapping.forward

    def mapping(z, *given, **named):
        seen.append(len(z))
        return real(z, *given, **named)

    monkeypatch.setattr(generator.mapping, "forward", mapping)
    for count in (1, 3):
        drawn(models, "plain", [Wish(seed=seed) for seed in range(count)])
    assert set(seen) == {BATCH}


def test_classes_ride_together(models, runs):
    facts = models.of("classes")
    wishes = [Wish(seed=3, label=facts.label(label)) for label in ("dog", 2, "0", None)]
    images = drawn(models, "classes", wishes)
    for image, label in zip(images, ("dog", 2, 0, None), strict=True):
        assert torch.equal(image, sample(runs["classes"], [3], labels=label, device="cpu")[0]), label
    assert not torch.equal(images[0], images[1])


def write_vectors(place, table):
    """A model that was trained with these vectors, of 2 values."""
    config = generator_config(c_dim=2)
    generator = config.build()
    remember_conditions(generator, torch.tensor(table))
    described = {"kimg": 1.0, "generator": to_dict(config), "discriminator": {}, "run": {}, "data": {}}
    checkpoint.write(place, config=described, generator=generator, discriminator=None, card="")
    return place


def test_a_model_of_vectors(tmp_path):
    place = write_vectors(tmp_path / "vectors", [[0.5, 1.0], [2.0, -1.0], [0.0, 3.0]])
    models = Models([str(place)], device="cpu", capacity=8)
    facts = models.of("vectors")
    labels = [facts.label([0.25, -3]), None]
    images = drawn(models, "vectors", [Wish(seed=4, label=label) for label in labels])
    models.close()
    for image, given in zip(images, (torch.tensor([0.25, -3.0]), None), strict=True):
        assert torch.equal(image, sample(place, [4], labels=given, device="cpu")[0])
    assert not torch.equal(images[0], images[1])
    with pytest.raises(UsageError, match="takes vectors of 2 values"):
        facts.label([1.0])
    with pytest.raises(UsageError, match="give a condition of 2 values"):
        facts.label(1)


def test_what_is_known_of_vectors(tmp_path, models):
    facts = facts_of(write_vectors(tmp_path / "vectors", [[0.5, 1.0], [2.0, -1.0], [0.0, 3.0]]))
    assert facts.seen == ((0.0, 2.0), (-1.0, 3.0)) and models.of("classes").seen == ()
    for wrong in ((1.0, float("nan")), (1.0, float("-inf")), (1.0, 1e39)):
        with pytest.raises(UsageError, match=r"condition\.1 is no number that a model can take"):
            facts.label(wrong)
    with pytest.raises(UserError, match="values that are no numbers"):
        facts_of(write_vectors(tmp_path / "nan", [[0.5, 1.0], [float("nan"), 1.0]]))


def test_known_models_are_not_read_again(runs, monkeypatch):
    """A replica that starts late serves the checkpoint that its server meant."""
    facts = facts_of(runs["plain"])
    catalogue = Catalogue([facts])
    assert catalogue.of("plain") is facts
    with pytest.raises(UsageError, match="two models are named plain"):
        Catalogue([facts, str(runs["plain"])])


@pytest.mark.parametrize("label", ["cow", 3, -1, "٣", (1.0, 2.0, 3.0), "1" * 5000])
def test_labels_that_do_not_fit(models, label):
    with pytest.raises(UsageError) as caught:
        models.of("classes").label(label)
    assert len(str(caught.value)) < 6000
    with pytest.raises(UsageError, match="has no classes"):
        models.of("plain").label(label)


def test_memory_bounds_what_is_loaded(runs):
    places = [str(path) for path in runs.values()]
    sizes = {name: facts_of(path).size for name, path in runs.items()}
    both = sizes["plain"] + sizes["classes"]
    models = Models(places, device="cpu", capacity=8, memory=both)
    assert models.loaded() == []  # nothing is read before it is asked for
    first = drawn(models, "plain", [Wish(seed=1)])
    drawn(models, "classes", [Wish(seed=1)])
    assert models.loaded() == ["plain", "classes"]
    drawn(models, "plain", [Wish(seed=2)])
    drawn(models, "other", [Wish(seed=1)])  # in the place of the one not asked for longest
    assert models.loaded() == ["plain", "other"]
    drawn(models, "classes", [Wish(seed=1)])
    assert "plain" not in models.loaded()
    assert torch.equal(drawn(models, "plain", [Wish(seed=1)]), first)
    models.close()
    with pytest.raises(UsageError, match="raise memory_gib"):
        Models(places, device="cpu", capacity=8, memory=sizes["plain"] - 1)


def test_names(runs, tmp_path, models):
    with pytest.raises(UsageError, match="two models are named plain"):
        Models([str(runs["plain"])] * 2, device="cpu", capacity=8)
    evil = write_run(tmp_path / "b\nX-Evil: 1")
    with pytest.raises(UsageError, match="letters, digits"):
        facts_of(evil)
    with pytest.raises(UsageError, match="did you mean 'plain'"):
        models.of("plane")


def test_a_damaged_model_is_refused_at_the_start(tmp_path):
    run = write_run(tmp_path / "run")
    path = run / "checkpoints" / "000012" / "generator.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="generator.safetensors"):
        Models([str(run)], device="cpu", capacity=8)
