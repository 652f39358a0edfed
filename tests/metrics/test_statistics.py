"""Files of statistics: what comes back, what other tools write and read, what is refused."""

import io
import zipfile

import numpy as np
import pytest
import torch

from gan.errors import UserError
from metrics import evaluate, frechet_distance
from metrics.features import Bank, Moments
from metrics.frechet import moments_of
from metrics.statistics import Fixed, is_statistics, moments_from, read, source_of, write
from tests.metrics.test_catalogue import DIM, Standin, Standins, pictures

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")


def rows(count=200, seed=0):
    return torch.from_numpy(np.random.RandomState(seed).standard_normal((count, DIM))).float()


def test_moments_come_back(tmp_path):
    moments, other = moments_of(rows()), rows(150, seed=1) + 0.5
    write(tmp_path / "x.npz", moments, {"data": "x"})
    found = read(tmp_path / "x.npz")
    assert found.moments.count == 200 and found.provenance == {"data": "x"} and found.features is None
    for ddof in (0, 1):
        want = frechet_distance(moments, other, ddof=ddof)
        assert frechet_distance(found.moments, other, ddof=ddof) == pytest.approx(want, rel=1e-9)
    bank = Bank.from_state({"features": rows()})
    write(tmp_path / "y.npz", bank, {}, features=True)
    assert torch.equal(read(tmp_path / "y.npz").features, rows())
    assert torch.allclose(read(tmp_path / "y.npz").moments.cov(), moments.cov(), rtol=1e-9)


def test_other_tools_read_it(tmp_path):
    """numpy.load without pickles; mu, and sigma as numpy.cov has it."""
    write(tmp_path / "x.npz", moments_of(rows()), {})
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert np.allclose(file["mu"], rows().double().mean(0))
        assert np.allclose(file["sigma"], np.cov(rows().double().numpy(), rowvar=False))


def test_files_of_other_tools(tmp_path):
    """clean-fid, EDM: mu and sigma; ADM: also those of another layer, and in float32 or by columns."""
    x = rows().double().numpy()
    mu, sigma = x.mean(0), np.cov(x, rowvar=False)
    other = rows(150, seed=1) + 0.5
    want = frechet_distance(rows(), other)
    np.savez(tmp_path / "clean.npz", mu=mu, sigma=sigma)
    np.savez_compressed(tmp_path / "adm.npz", mu=mu, sigma=np.asfortranarray(sigma), mu_s=mu, sigma_s=sigma)
    for name in ("clean.npz", "adm.npz"):
        found = read(tmp_path / name)
        assert is_statistics(tmp_path / name) and isinstance(found.moments, Fixed) and not found.provenance
        assert frechet_distance(found.moments, other) == pytest.approx(want, rel=1e-9)
    np.savez(tmp_path / "images.npz", arr_0=np.zeros((2, 4, 4, 3), np.uint8), mu=mu, sigma=sigma)
    assert not is_statistics(tmp_path / "images.npz")  # images are a data set


def test_moments_of_arrays():
    moments = moments_of(rows())
    again = moments_from(moments.mean, moments.cov(0), 200, ddof=0)
    assert isinstance(again, Moments) and torch.allclose(again.cov(1), moments.cov(1), rtol=1e-9)
    wrong = torch.eye(3)
    wrong[0, 1] = 1
    for mean, cov, count in (
        (torch.zeros(2), torch.eye(3), None),
        (torch.zeros(3), wrong, None),
        (torch.zeros(3), -torch.eye(3), None),
        (torch.full((3,), torch.nan), torch.eye(3), None),
        (torch.zeros(3), torch.eye(3), 1),
    ):
        with pytest.raises(ValueError):
            moments_from(mean, cov, count)


def lying(path, name, array, shape):
    """A file whose header of one array promises another shape."""
    parts = {"mu": np.zeros(3), "sigma": np.eye(3), name: array}
    with zipfile.ZipFile(path, "w") as archive:
        for key, value in parts.items():
            buffer = io.BytesIO()
            header = {"descr": "<f8", "fortran_order": False, "shape": shape if key == name else value.shape}
            np.lib.format.write_array_header_1_0(buffer, header)
            archive.writestr(f"{key}.npy", buffer.getvalue() + value.tobytes())


def test_damaged_and_hostile_files(tmp_path):
    path = tmp_path / "x.npz"
    cases = (
        lambda: np.savez(path, mu=np.array([object()] * 3), sigma=np.eye(3)),
        lambda: np.savez(path, sigma=np.eye(3)),
        lambda: np.savez(path, mu=np.zeros(3), sigma=np.eye(4)),
        lambda: lying(path, "mu", np.zeros(3), (2**40,)),
        lambda: lying(path, "sigma", np.eye(3), (2**20, 2**20)),
        lambda: path.write_bytes(b"no zip"),
        lambda: np.savez(path, mu=np.zeros(3), sigma=np.eye(3), provenance=np.array("{" + " " * 2**18 + "}")),
        lambda: np.savez(path, mu=np.zeros(3), sigma=np.eye(3), count=9, provenance=np.array("[1]")),
        lambda: np.savez(path, mu=np.zeros(3), sigma=np.eye(3), count=9, features=np.zeros((8, 3))),
    )
    for make in cases:
        make()
        with pytest.raises(UserError, match="x.npz holds no statistics"):
            read(path)
    path.unlink()
    with pytest.raises(UserError, match="x.npz"):
        read(path)


def made(tmp_path, features=False, **changes):
    """Statistics of the real pictures as nv has them."""
    network = Standin("inception-tf1-bilinear-tf")
    pool = network.features(network.prepare(pictures()))["pool"]
    told = {**source_of(network, "pool"), "metric": "fid[nv]", **changes}
    write(tmp_path / "real.npz", Bank.from_state({"features": pool}), told, features=features)
    return read(tmp_path / "real.npz")


def test_scores_against_a_file_are_those_against_the_images(tmp_path):
    fake, options = pictures(seed=1), {"networks": Standins(), "num_fakes": 160}
    found = made(tmp_path)
    want, want_other = evaluate(pictures(), fake, ["fid", "fid[ttur]"], **options)
    for metric, record in (("fid", want), ("fid[ttur]", want_other)):  # the same features, another ddof
        (got,) = evaluate(found, fake, [metric], **options)
        assert got["value"] == pytest.approx(record["value"], rel=1e-9)
        assert got == {**record, "value": got["value"], "data_sha256": found.sha256}
    (sure,) = evaluate(found, fake, ["fid"], intervals=True, **options)
    assert sure["interval"][0] < sure["corrected"] < sure["interval"][1]
    with pytest.raises(UserError, match="kid needs features of single images.*gan stats --features"):
        evaluate(found, fake, ["kid"], **options)
    (kid,) = evaluate(made(tmp_path, features=True), fake, ["kid"], **options)
    (same,) = evaluate(pictures(), fake, ["kid"], **options)
    assert kid["value"] == same["value"]


def test_conventions_do_not_mix(tmp_path):
    fake, options = pictures(seed=1), {"networks": Standins(), "num_fakes": 160}
    for changes in ({"detector_sha256": "1"}, {"preparation": "other"}, {"head": "fc2"}, {"detector": "vgg"}):
        (key,) = changes
        with pytest.raises(UserError, match=f"was made with {key} .*ask for fid\\[nv\\]"):
            evaluate(made(tmp_path, **changes), fake, ["fid"], **options)
    with pytest.raises(UserError, match="is needs the real images themselves"):
        evaluate(made(tmp_path), fake, ["is"], **options)
    np.savez(tmp_path / "small.npz", mu=np.zeros(3), sigma=np.eye(3))
    with pytest.raises(UserError, match=f"small.npz has 3 features, fid has {DIM}"):
        evaluate(read(tmp_path / "small.npz"), fake, ["fid"], **options)
