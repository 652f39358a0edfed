"""Open files: each connection is one, and systems allow few unless a process asks for more."""

import contextlib
import warnings

from gan.web.serve.patience import TOLD

OTHERS = 192  # files of models, keys, log, batches, the loop, and packages


def make_room(connections: int) -> None:
    """Let this process, and those that it starts, open so many connections, as far as the system allows.

    Warns where it does not: those beyond are not taken until others end.
    """
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    needed = connections + TOLD + OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if (allowed := resource.getrlimit(resource.RLIMIT_NOFILE)[0]) < needed:
        warnings.warn(
            f"max_connections {connections:,} needs {needed:,} open files, and {allowed:,} are allowed:"
            f" ulimit -Hn {needed}, or LimitNOFILE={needed} in the unit of systemd",
            stacklevel=3,
        )
