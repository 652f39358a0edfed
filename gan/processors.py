"""How many processors this process may use: those it is bound to, or fewer by the quota of its container."""

import os
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")  # where Linux mounts control groups
_MEMBERSHIP = Path("/proc/self/cgroup")


def count() -> int:
    """At least 1: the processors of the affinity mask, or fewer by a quota (cgroups, version 1 or 2)."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([bound, *map(int, _quotas())]))


def _quotas() -> list[float]:
    """Processors' worth of time that each control group around this process allows."""
    found = []
    for group in _folders():
        try:
            if (file := group / "cpu.max").is_file():
                quota, period = file.read_text().split()
            else:
                quota = (group / "cpu.cfs_quota_us").read_text()
                period = (group / "cpu.cfs_period_us").read_text()
            if float(quota) > 0:
                found.append(float(quota) / float(period))
        except (OSError, ValueError):  # no quota here, "max", or not Linux
            continue
    return found


def _folders() -> list[Path]:
    """Folders of the control groups that this process is in, and of those around them."""
    try:
        lines = _MEMBERSHIP.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = _GROUPS / controllers if controllers else _GROUPS
        inner = mount / path.lstrip("/")
        found += [inner, *(parent for parent in inner.parents if parent == mount or mount in parent.parents)]
    return found
