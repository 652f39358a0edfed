"""Ids of tests in tables, "tests/x.py::test_y": whether there is such a test."""

import re

from tests.sources import ROOT


def missing(node: str) -> bool:
    """Whether the file or its function is not there; parameters in brackets are not looked at."""
    file, _, name = node.partition("::")
    path, function = ROOT / file, name.partition("[")[0]
    if not path.is_file():
        return True
    return bool(name) and not re.search(rf"^def {function}\(", path.read_text(encoding="utf-8"), re.M)
