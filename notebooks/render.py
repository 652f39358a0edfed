"""Run notebooks on a model, and write what they show as pages: `python notebooks/render.py MODEL [NAME ...]`.

Each becomes docs/notebooks/NAME.md, with its pictures beside it. Sliders become contact sheets.
"""

import os
import shutil
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "notebooks"
LEFT_OUT = ("application/vnd.jupyter.widget-view+json", "image/jpeg")  # what needs a kernel; PNGs once more
LINK = "../../notebooks"  # from a page to the notebooks


def executed(path: Path, model: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs; without widgets, which need a running kernel, and without stderr."""
    os.environ["GAN_MODEL"] = str(model.resolve())
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=1800, kernel_name="python3", resources={"metadata": {"path": ROOT}}
    )
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in (output for output in cell.outputs if "data" in output):
                output["data"] = {k: v for k, v in output.get("data", {}).items() if k not in LEFT_OUT}
    return notebook


def write(notebook: nbformat.NotebookNode, name: str) -> Path:
    """The page and its pictures, in place of those that were there."""
    pictures = PAGES / name
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)
    resources = {"unique_key": name, "output_files_dir": name}
    text, found = MarkdownExporter().from_notebook_node(notebook, resources)
    for file, data in found["outputs"].items():
        (PAGES / file).write_bytes(data)
    said = f"*From [{name}.ipynb]({LINK}/{name}.ipynb), run on the demo's model by `make notebooks`.*\n\n"
    page = PAGES / f"{name}.md"
    page.write_text(said + text.replace(str(ROOT) + "/", ""), encoding="utf-8")
    return page


def main(model: Path, names: list[str]) -> None:
    """All notebooks, or those that are named."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        if not names or path.stem in names:
            print(write(executed(path, model), path.stem).relative_to(ROOT), flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python notebooks/render.py MODEL [NAME ...]")
    main(Path(sys.argv[1]), sys.argv[2:])
