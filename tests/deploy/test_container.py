"""The image, compose, and the unit of systemd: their linters, and what ties them to each other."""

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from tests.deploy.deployed import DEPLOY, ROOT, SETTINGS, STATE, USER, compose

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def tool(name):
    """Path of a program, of the environment first; the test is skipped where there is none."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    return found or pytest.skip(f"{name} is not installed")


def test_hadolint():
    done = subprocess.run([tool("hadolint"), DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_hadolint_complains(tmp_path):
    wrong = tmp_path / "Dockerfile"
    wrong.write_text("FROM python:latest\nRUN cd / && sudo apt-get install curl\n")
    assert subprocess.run([tool("hadolint"), wrong], capture_output=True).returncode == 1


def test_both_targets_run_without_root():
    named = {name: base for base, name in re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.M)}
    assert named["cpu"] == named["cuda"] == "runtime"
    runtime = DOCKERFILE.split(" AS runtime")[1].split("\nFROM ")[0]
    assert f"USER {USER}:{USER}" in runtime and f"VOLUME {STATE}" in runtime and "HEALTHCHECK" in runtime
    assert "USER" not in DOCKERFILE.split(" AS source")[1]  # nothing later takes it back


def test_the_image_has_all_that_setup_needs_and_nothing_else():
    """What is copied exists and is not ignored; keys and runs are."""
    copied = [
        name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.M) for name in line.split()
    ]
    rules = (DEPLOY / "Dockerfile.dockerignore").read_text().split("\n")
    kept = [rule[1:] for rule in rules if rule.startswith("!")]
    assert sorted(copied) == sorted(kept) and "*" in rules
    assert all((ROOT / name).exists() for name in copied)
    packages = re.search(
        r"options.packages.find\]\ninclude =\n((?:    .*\n)+)", (ROOT / "setup.cfg").read_text()
    )[1]
    assert {name for name in packages.split() if "." not in name} < set(copied)
    assert not any(fnmatch(name, rule) for name in ("runs", "serve", "data", ".git") for rule in kept)


def test_compose_fits_the_image_and_nginx():
    services, settings = compose()["services"], yaml.safe_load((DEPLOY / "serve.yaml").read_text())
    gan, nginx, redis = services["gan"], services["nginx"], services["redis"]
    conf = (DEPLOY / "nginx.conf").read_text()
    assert f"server gan:{settings['port']};" in conf and f"EXPOSE {settings['port']}" in DOCKERFILE
    assert re.findall(r"listen (\d+) ssl;", conf) == [nginx["ports"][0].split(":")[1]]
    assert settings["redis"].split("//")[1].startswith("redis:") and "redis" in services
    assert (DEPLOY / gan["build"]["context"] / gan["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    mounted = {
        volume.split(":")[1]: volume.split(":")[0] for each in services.values() for volume in each["volumes"]
    }
    for inside in (SETTINGS, "/etc/nginx/nginx.conf"):
        assert (DEPLOY / mounted[inside]).is_file()
    assert mounted[STATE] in compose()["volumes"] and settings["state"].startswith(STATE)
    assert f" AS {gan['build']['target']}\n" in DOCKERFILE
    assert "noeviction" in redis["command"]


def test_only_nginx_can_be_reached():
    described = compose()
    for name, service in described["services"].items():
        assert ("ports" in service) == (name == "nginx")
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["mem_limit"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        outer = {
            each for each in service["networks"] if not (described["networks"][each] or {}).get("internal")
        }
        assert outer == ({"outside"} if name == "nginx" else set())
    assert described["services"]["redis"]["networks"] == ["counts"]
    assert "counts" not in described["services"]["nginx"]["networks"]
    seconds = int(described["services"]["gan"]["stop_grace_period"].removesuffix("s"))
    assert seconds > yaml.safe_load((DEPLOY / "serve.yaml").read_text())["deadline_seconds"] + 1


def test_systemd(tmp_path):
    """The unit is one, and exposes little; programs that it names are replaced by one that is here."""
    tool("systemd-analyze")
    unit = tmp_path / "gan-serve.service"
    text = (DEPLOY / "gan-serve.service").read_text()
    unit.write_text(re.sub(r"ExecStart=\S+", f"ExecStart={sys.executable}", text))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert verified.returncode == 0 and "gan-serve.service" not in verified.stderr, verified.stderr
    offline = ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit]
    judged = subprocess.run(offline, capture_output=True, text=True)
    if "unrecognized option" in judged.stderr:
        pytest.skip("this systemd-analyze judges no files")
    assert judged.returncode == 0, judged.stdout[-300:]
