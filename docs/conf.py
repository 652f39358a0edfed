"""The documentation site: `make docs` builds it, with warnings as errors, from the Markdown pages here.

The pages are written for a code host too, so they are plain Markdown. What a page would have to repeat
(options, settings, presets, signatures, the picture of the rooms) is written from the code, in place of
a comment `<!-- generated: NAME -->`; see `_ext/generated`. Nothing is loaded from elsewhere.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

import gan  # noqa: E402  # from the tree, not from site-packages

project = "gan-workbench"
author = "the gan contributors"
copyright = "the gan contributors, MIT licence"
release = version = gan.__version__

extensions = ["myst_parser", "generated"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4  # links to headings as code hosts make them
myst_enable_extensions = ["html_image"]  # <img> with a width, which code hosts know as well
smartquotes = False  # or `--option` outside of code has a dash instead of two hyphens
highlight_language = "none"  # of blocks that do not say theirs

html_theme = "furo"
html_title = f"gan-workbench {gan.__version__}"
html_show_sphinx = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}
