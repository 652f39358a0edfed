"""The manifests: valid, hardened, and tied to the routes, figures and settings of the server."""

import json

import pytest
import yaml

from gan.jobs.serving.settings import ServeConfig
from tests.deploy.deployed import DEPLOY, SETTINGS, STATE, USER, manifests
from tests.gan.runs import write_run
from tests.gan.web.serve_api import client_of, figures_of

FILES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
NAME = {"app.kubernetes.io/name": "gan-serve"}


@pytest.fixture
def validate():
    package = pytest.importorskip("kubernetes_validate", reason="the extra dev is not installed")
    return lambda document: package.validate(document, "1.37", strict=True)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_valid(validate, file):
    documents = list(yaml.safe_load_all(file.read_text()))
    assert documents
    for document in documents:
        validate(document)


def test_an_unknown_field_is_seen(validate):
    wrong = json.loads(json.dumps(manifests()["Deployment"]))
    wrong["spec"]["template"]["spec"]["readOnlyRoot"] = True
    with pytest.raises(Exception, match="readOnlyRoot"):
        validate(wrong)


def test_all_speak_of_the_same_pods():
    found = manifests()
    assert found["Deployment"]["spec"]["template"]["metadata"]["labels"] == NAME
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert found[kind]["spec"]["selector"]["matchLabels"] == NAME
    assert (
        found["Service"]["spec"]["selector"]
        == found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
        == NAME
    )
    target = found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", found["Deployment"]["metadata"]["name"])
    assert "replicas" not in found["Deployment"]["spec"]  # or each `apply` undoes what the autoscaler did


def test_pods_may_do_little():
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    own, whole = container["securityContext"], pod["securityContext"]
    assert own["readOnlyRootFilesystem"] and own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]} and pod["automountServiceAccountToken"] is False
    assert whole["runAsNonRoot"] and whole["runAsUser"] == USER == whole["fsGroup"]
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    assert manifests()["NetworkPolicy"]["spec"]["egress"] == []


def test_volumes_and_times():
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
    assert mounts["state"] == STATE and SETTINGS.startswith(f"{mounts['settings']}/")
    settings = yaml.safe_load(manifests()["ConfigMap"]["data"]["serve.yaml"])
    assert settings["models"][0].startswith(mounts["models"]) and settings["state"].startswith(STATE)
    deadline = settings["deadline_seconds"]
    assert pod["terminationGracePeriodSeconds"] > deadline + 1 + 5
    waiting = manifests()["HorizontalPodAutoscaler"]["spec"]["metrics"][0]["pods"]
    assert int(waiting["target"]["averageValue"]) < settings["queue"] <= ServeConfig.queue


def test_probes_and_metric_are_those_of_the_server(tmp_path):
    (container,) = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"]
    probes = {
        each: container[f"{each}Probe"]["httpGet"]["path"] for each in ("startup", "liveness", "readiness")
    }
    metric = manifests()["HorizontalPodAutoscaler"]["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert metric in (DEPLOY / "README.md").read_text()
    with client_of([write_run(tmp_path / "run")], tmp_path / "state") as (client, service, _):
        del client.headers["authorization"]  # nobody gives a probe a key
        assert {client.get(path).status_code for path in probes.values()} == {200}
        service.usage.check = lambda: (_ for _ in ()).throw(OSError)  # what makes a server not ready
        assert client.get(probes["readiness"]).status_code >= 500
        assert client.get(probes["liveness"]).status_code == client.get(probes["startup"]).status_code == 200
        assert f'\n{metric}{{model="run"}} 0.0' in figures_of(client, service)
