"""Several processes behind one port: each accepts connections of the same socket, and answers with models,
queues and limits of connections of its own. They share the state folder: keys, quotas, batches, audit log.

One that dies is replaced. Figures for Prometheus are those of all of them.
"""

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from socket import socket
from typing import Any

from gan import plugins
from gan.errors import UserError
from gan.jobs.serving.service import Service
from gan.jobs.serving.settings import ServeConfig
from gan.web.serve.application import application
from gan.web.serve.counting import SHARED

_SILENT = 120  # seconds without a sign of life, also while it reads its packages, after which one is replaced
_LOOK = 1.0  # seconds between looks whether the parent is still there


def run_workers(
    settings: ServeConfig, options: Mapping[str, Any], listener: socket, say: Callable[[], object]
) -> None:
    """Serve with `settings.workers` processes until SIGTERM or Ctrl-C, which each of them heeds.

    options: of uvicorn.Config.  say: is called when all was checked. Raises UserError as `Service` does.
    """
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    Service(settings).close()  # a worker that cannot start would be started again for ever
    with tempfile.TemporaryDirectory(prefix="gan-figures-") as folder:
        before = os.environ.get(SHARED)
        os.environ[SHARED] = folder  # of the workers, which read it when they import prometheus_client
        try:
            files = tuple(plugin.path for plugin in plugins.loaded() if plugin.name.endswith(".py"))
            config = uvicorn.Config(
                partial(worker, settings, files, os.getpid()),
                factory=True,
                workers=settings.workers,
                timeout_worker_healthcheck=_SILENT,
                **options,
            )
            say()
            Multiprocess(config, [listener]).run()
        finally:
            os.environ.pop(SHARED)
            if before is not None:
                os.environ[SHARED] = before


def worker(settings: ServeConfig, files: tuple[str, ...], parent: int) -> Any:
    """The application of one process. files: of plug-ins.  parent: its process, with which this one ends."""
    try:
        plugins.load_installed()
        for file in files:
            plugins.load(file)
        app = application(Service(settings))
    except UserError as error:
        print(f"gan: a worker cannot start: {error}", file=sys.stderr, flush=True)
        sys.exit(1)
    threading.Thread(target=_end_with, args=(parent,), name="parent", daemon=True).start()
    return app


def _end_with(parent: int) -> None:
    """Finish what was accepted, and end, once the parent was killed."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os.kill(os.getpid(), signal.SIGTERM)
