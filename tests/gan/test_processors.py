"""How many processors there are for a process: its mask, and quotas of both versions of control groups."""

import os

import pytest

from gan import processors


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """machine(cores, membership, {file: text}): a machine with these control groups."""

    def make(cores, membership="", **files):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
        monkeypatch.setattr(processors, "_GROUPS", tmp_path / "groups")
        monkeypatch.setattr(processors, "_MEMBERSHIP", tmp_path / "membership")
        (tmp_path / "membership").write_text(membership)
        for name, text in files.items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return processors.count()

    return make


def test_without_quotas_the_mask_counts(machine):
    assert machine(6) == 6
    assert machine(6, "0::/\n", **{"cpu.max": "max 100000\n"}) == 6


@pytest.mark.parametrize(
    ("quota", "count"), [("250000 100000", 2), ("50000 100000", 1), ("900000 100000", 6)]
)
def test_quotas_of_version_2(quota, count, machine):
    assert machine(6, "0::/box\n", **{"box/cpu.max": quota}) == count


def test_the_least_of_all_groups_around(machine):
    limits = {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000", "cpu.max": "500000 100000"}
    assert machine(6, "0::/a/b\n", **limits) == 3


def test_a_group_seen_from_inside_its_container(machine):
    """The path is the host's, which is not mounted: what lies at the mount is the container's own."""
    assert machine(6, "0::/docker/4a6b\n", **{"cpu.max": "400000 100000"}) == 4


def test_quotas_of_version_1(machine):
    files = {"cpu,cpuacct/box/cpu.cfs_quota_us": "300000\n", "cpu,cpuacct/box/cpu.cfs_period_us": "100000\n"}
    files |= {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}
    files |= {"cpuset/cpu.cfs_quota_us": "100000\n", "cpuset/cpu.cfs_period_us": "100000\n"}  # of another one
    assert machine(6, "3:cpu,cpuacct:/box\n2:cpuset:/\n", **files) == 3


def test_where_there_are_no_masks_all_cores_count(machine, monkeypatch):
    machine(6)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors.count() == 1
