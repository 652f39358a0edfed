"""`gan space`: the folder that a hub would run, run here without the rest of the package, and in gradio."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import gan
from gan import sampling
from gan.cli.main import main
from gan.errors import UsageError, UserError
from gan.images import grid
from gan.jobs import space
from gan.models import checkpoint
from gan.models.gradio_page import MOST, Drawer
from tests.gan.latents.families import built
from tests.gan.models.fake_hub import TOKEN
from tests.gan.runs import write_run

ALLOWED = ("gan", "ops", "torch", "numpy", "PIL", "safetensors", "yaml", "tqdm", "gradio", "huggingface_hub")
# Imports of this package that a Space does not have, or of a dependency that requirements.txt lacks, fail.
ALONE = """\
import sys
class Only:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("training", "metrics", "scipy", "tensorboard", "torchvision", "click"):
            raise ImportError(f"{name} is not in a Space")
sys.path.insert(0, ".")
class Gradio:  # what page() makes is no matter here
    def __getattr__(self, name):
        return lambda *a, **k: self
    def __enter__(self): return self
    def __exit__(self, *a): return None
sys.meta_path.insert(0, Only())
sys.modules["gradio"] = Gradio()
import app, gan, json
print(json.dumps([gan.__file__, app.draw(3, 4, 0.5).size]))
"""


@pytest.fixture
def made(run_folder: Path, tmp_path: Path) -> Path:
    out = tmp_path / "space"
    space.write(run_folder, out)
    return out


def test_the_folder(made):
    names = {path.name for path in made.iterdir()}
    assert names == {"app.py", "requirements.txt", "README.md", "model", "gan", "ops"}
    inside = {path.name for path in (made / "model").iterdir()}
    assert inside == {"config.json", "generator.safetensors", "card.md", "manifest.json"}
    meta = yaml.safe_load((made / "README.md").read_text().split("---\n")[1])
    assert meta["sdk"] == "gradio" and meta["app_file"] == "app.py" and meta["title"] == "Images of tiny"
    needed = (made / "requirements.txt").read_text().splitlines()
    assert {line.partition(">")[0] for line in needed[1:]} == {*space.NEEDED, "gradio"}
    size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    assert size < 2 * 2**20 and not list(made.rglob("*.cu"))


def test_it_runs_without_the_rest_of_the_package(made):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=made, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    place, size = json.loads(done.stdout)
    assert Path(place).parent == made / "gan" and size[0] >= 512


def test_a_picture_is_that_of_its_seeds(run_folder):
    drawer = Drawer(run_folder)
    picture = drawer.draw(5, 4, 0.5)
    (images,) = sampling.images(gan.load(run_folder), range(5, 9), psi=0.5, batch=4)
    wanted = grid(images)
    factor = picture.height // wanted.shape[1]
    assert np.array_equal(np.asarray(picture)[::factor, ::factor], wanted.permute(1, 2, 0).numpy())
    assert drawer.draw(-3, 99, 7).size == drawer.draw(0, MOST, 1).size
    assert drawer.draw(5, 4, 0.2) != picture


def test_classes_by_name(tmp_path):
    run = write_run(tmp_path / "runs" / "00000-demo-tiny", classes=["cat", "dog"])
    drawer = Drawer(run)
    assert drawer.classes == ["cat", "dog"]
    assert drawer.draw(0, 1, 1, "cat") != drawer.draw(0, 1, 1, "dog")


def test_a_model_without_styles_has_no_truncation(tmp_path):
    folder = built("r3gan conditional alpha").save_pretrained(tmp_path / "saved")
    drawer = Drawer(folder)
    assert not drawer.has_psi and drawer.classes == ["0", "1"]
    assert drawer.draw(0, 2, 0.1, "1") == drawer.draw(0, 2, 0.9, "1")


def test_by_name(fake_hub, run_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    name = gan.push_to_hub(run_folder, "user/glyphs")["name"]
    out = tmp_path / "named"
    typed = ["space", str(run_folder), "--out", str(out), "--name", name, "--title", 'My "glyphs"']
    done = CliRunner().invoke(main, typed)
    assert done.exit_code == 0, done.stderr
    assert not (out / "model").exists() and f"MODEL = {name!r}" in (out / "app.py").read_text()
    assert "huggingface_hub" in (out / "requirements.txt").read_text()
    meta = yaml.safe_load((out / "README.md").read_text().split("---\n")[1])
    assert meta["models"] == ["user/glyphs"] and meta["title"] == 'My "glyphs"'
    compile((out / "app.py").read_text(), "app.py", "exec")
    assert Drawer(name).generator.source == name


def test_refusals(run_folder, tmp_path):
    with pytest.raises(UserError, match="is there already"):
        space.write(run_folder, tmp_path)
    with pytest.raises(UsageError, match="is no name on a hub"):
        space.write(run_folder, tmp_path / "a", name="glyphs")
    folder = checkpoint.resolve(run_folder)
    saved = checkpoint.read(folder)
    config = {**saved.config, "run": {"plugins": [{"name": "own.py", "path": "own.py", "sha256": "0"}]}}
    config.pop("format")
    checkpoint.write(folder, config=config, generator=saved.generator(), discriminator=None, card="")
    with pytest.raises(UsageError, match=r"needs the plug-in own\.py, and a Space runs none"):
        space.write(run_folder, tmp_path / "b")
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_the_page_in_gradio(made):
    pytest.importorskip("gradio", reason="the extra space is not installed")
    client = pytest.importorskip("gradio_client")
    code = (
        "import sys; sys.path.insert(0, '.')\nimport app, sys\n"
        "_, url, _ = app.demo.launch(prevent_thread_lock=True, server_name='127.0.0.1', quiet=True)\n"
        "print(url, flush=True)\nsys.stdin.read()\n"
    )
    environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=made,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            url = process.stdout.readline().strip()
            found = client.Client(url, verbose=False).predict(1, 4, 0.5, "any", api_name="/draw")
            picture = found["path"] if isinstance(found, dict) else found
            assert Path(picture).stat().st_size > 500
        finally:
            process.stdin.close()
            process.wait(30)
