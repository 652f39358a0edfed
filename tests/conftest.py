"""Fixtures shared by all tests: device, dtype and tolerance, a seed per test, tiny networks and data."""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from ops import build, library
from tests.fake_machine import Machine
from tests.gan.models import fake_hub as fake
from tests.ranks import Ranks

# dtype -> (relative, absolute) tolerance; the only such table, a test with other needs says why.
TOLERANCE = {
    torch.float64: (1e-9, 1e-10),
    torch.float32: (1e-4, 1e-5),
    torch.bfloat16: (2e-2, 2e-2),
    torch.float16: (4e-3, 4e-3),
}
DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in TOLERANCE}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="torch device of the tests (default: cpu)")
    parser.addoption("--dtype", default="float32", choices=DTYPES, help="dtype of the `dtype` fixture")
    parser.addoption("--kernels", metavar="PATH", help="library of kernels to test (default: built as usual)")


def pytest_configure() -> None:
    torch.set_num_threads(1)  # tests may share the cores; and runs with one number have the same bits


def pytest_sessionstart(session: pytest.Session) -> None:
    if path := session.config.getoption("--kernels"):
        library.use(path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("needs_gpu"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef) -> None:
    """What several tests share is the same whichever of them ran before: `seed` comes too late for it."""
    if fixturedef.scope != "function":
        torch.manual_seed(zlib.crc32(f"{fixturedef.baseid} {fixturedef.argname}".encode()))


@pytest.fixture(autouse=True)
def seed() -> int:
    """Every test starts from the same torch random state, whatever ran before it."""
    torch.manual_seed(0)
    return 0


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Statistics of real images are kept here, not in the cache of whoever runs the tests.

    Kernels alone are kept in that one, so that all workers and sessions share one build; they are loaded
    first, so that no test builds them anew in a folder of its own.
    """
    library.fused(torch.empty(0))
    folder = tmp_path_factory.getbasetemp() / "gan-cache"
    folder.mkdir()
    (folder / "ops").symlink_to(build.cache_directory().absolute() / "ops")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def ranks() -> Iterator[Ranks]:
    """Runs a script below tests/ in two processes that meet; see there."""
    started = Ranks()
    yield started
    started.close()


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[fake.Hub]:
    """A hub of this test's own on loopback, nothing cached, and no token."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="the extra hub is missing")
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "gan-cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf-cache"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with fake.running() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        yield hub


@pytest.fixture
def kernels() -> None:
    """The fused kernels are loaded; the test is skipped where GAN_OPS=reference switches them off."""
    if library.mode() == "reference":
        pytest.skip("GAN_OPS=reference")
    library.load("cpu")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """A machine of fake programs, with no compiler at first."""
    return Machine(monkeypatch, tmp_path)


@pytest.fixture
def device(request: pytest.FixtureRequest) -> torch.device:
    """The device named by --device."""
    return torch.device(request.config.getoption("--device"))


@pytest.fixture
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    """The dtype named by --dtype."""
    return DTYPES[request.config.getoption("--dtype")]


@pytest.fixture
def close() -> Callable[..., None]:
    """`close(actual, expected)`: equal shapes and values within the tolerance of the coarser dtype."""

    def check(actual: torch.Tensor, expected: torch.Tensor, scale: float = 1.0) -> None:
        """`scale` widens both tolerances, for sums over many terms."""
        dtypes = [t.dtype for t in (actual, expected) if t.is_floating_point()]
        rtol, atol = max((TOLERANCE[dtype] for dtype in dtypes), default=(0.0, 0.0))
        expected = expected.to(actual)
        torch.testing.assert_close(actual, expected, rtol=rtol * scale, atol=atol * scale)

    return check


@pytest.fixture
def tiny_generator(device: torch.device) -> torch.nn.Module:
    """StyleGAN2 generator, 16x16, z and w of 8 values, eval mode; the same weights in every test."""
    from gan.networks.stylegan2 import GeneratorConfig, MappingConfig

    torch.manual_seed(0)
    config = GeneratorConfig(
        resolution=16, z_dim=8, w_dim=8, channel_base=128, channel_max=8, mapping=MappingConfig(layers=2)
    )
    return config.build().to(device).eval()


@pytest.fixture
def tiny_discriminator(device: torch.device) -> torch.nn.Module:
    """StyleGAN2 discriminator for `tiny_generator`, train mode; the same weights in every test."""
    from gan.networks.stylegan2 import DiscriminatorConfig

    torch.manual_seed(1)
    return DiscriminatorConfig(resolution=16, channel_base=128, channel_max=8).build().to(device)


SHAPES = ("disc", "square", "diamond", "stripes")


def draw(index: int) -> bytes:
    """PNG of a coloured shape on a coloured ground, 16x16 RGB; the shape is index mod 4."""
    ground = (40 + 5 * index % 90, 70, 160 - 3 * index % 80)
    colour = (250 - 4 * index, 60 + 4 * index, 20 + index)
    image = Image.new("RGB", (16, 16), ground)
    pen, inset = ImageDraw.Draw(image), 2 + index % 3
    box = (inset, inset, 15 - inset, 15 - inset)
    match SHAPES[index % 4]:
        case "disc":
            pen.ellipse(box, fill=colour)
        case "square":
            pen.rectangle(box, fill=colour)
        case "diamond":
            pen.polygon([(8, inset), (15 - inset, 8), (8, 15 - inset), (inset, 8)], fill=colour)
        case "stripes":
            for row in range(inset, 16, 4):
                pen.line((0, row, 15, row), fill=colour, width=2)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def tiny_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 40 images, 16x16 RGB, four classes in turn, in the project's zip format. Read only."""
    files = {f"00000/img{index:08d}.png": draw(index) for index in range(40)}
    index = {
        "labels": [[name, i % len(SHAPES)] for i, name in enumerate(files)],
        "classes": list(SHAPES),
        "manifest": {
            name: {
                "sha256": hashlib.sha256(data).hexdigest(),
                "source": "drawn by tests/conftest.py",
                "licence": "CC0-1.0",
                "size": [16, 16],
            }
            for name, data in files.items()
        },
    }
    path = tmp_path_factory.mktemp("data") / "tiny-16.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # ZipInfo: a fixed date, so a fixed file
        archive.writestr(zipfile.ZipInfo("dataset.json"), json.dumps(index))
    return path
