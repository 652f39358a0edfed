"""Where the files of deploy/ are, and what they have in common."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SETTINGS = "/etc/gan/serve.yaml"
STATE = "/state"
USER = 10001


def compose() -> dict[str, Any]:
    """compose.yaml."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def manifests() -> dict[str, dict[str, Any]]:
    """Those of Kubernetes, by kind; of claims, the one of the state."""
    found = {}
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            found[document["kind"]] = document
    return found


def settings_files() -> dict[str, str]:
    """Texts of the settings of `gan serve`, by the file that holds them."""
    own = manifests()["ConfigMap"]["data"]["serve.yaml"]
    return {"serve.yaml": (DEPLOY / "serve.yaml").read_text(), "configmap.yaml": own}
