"""A server among connections that say nothing: what they cost, and whether those that ask are answered.

    python -m benchmarks.idle_connections runs/00000-demo-openmoji-32

`gan serve` runs as a process of its own on loopback. Connections are opened from several addresses of
loopback: a third says nothing, a third half a head, a third asks once and stays. Clients ask for images
meanwhile, and each is compared with the one that is made directly. Then all are waited for: the server ends
them. In a second round the server has room for an eighth of them, and the rest is refused.
"""

import contextlib
import itertools
import random
import select
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click
import torch

from benchmarks.serving import OFF
from benchmarks.serving_clients import Direct, asked, resident, server
from gan.cli.common import echo_json
from gan.jobs.serving.administration import create
from gan.web.serve.descriptors import make_room

SAID = (b"", b"GET /healthz HTTP/1.1\r\nho", b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
HEAD_SECONDS = 45  # in which a head must have come: as long as opening and asking take
ADDRESSES = 8  # of loopback; one has some 28,000 ports
CLIENTS, POOL = 8, 32
LATE = 120.0  # seconds after which an end is not waited for


def opened(address: str, count: int) -> tuple[list[socket.socket], float]:
    """(connections, seconds) of so many that stay; those that are refused at once are among them."""
    link, began, found = urlsplit(address), time.perf_counter(), []
    for number in range(count):
        connection = socket.socket()
        connection.settimeout(30)
        connection.bind((f"127.0.0.{2 + number % ADDRESSES}", 0))
        with contextlib.suppress(OSError):  # refused: its end is counted
            connection.connect((link.hostname, link.port))
            connection.sendall(SAID[number % len(SAID)])
        connection.setblocking(False)
        found.append(connection)
    return found, time.perf_counter() - began


def ends(connections: Sequence[socket.socket], seconds: float) -> tuple[Counter[str], float]:
    """(how each was ended, seconds until the last one was): "answered", "503" or "silent", or "open"."""
    began, counts, texts = time.perf_counter(), Counter[str](), dict.fromkeys(connections, b"")
    watch = select.epoll()
    for connection in connections:
        watch.register(connection, select.EPOLLIN)
    left, last = {connection.fileno(): connection for connection in connections}, 0.0
    while left and time.perf_counter() - began < seconds:
        for number, _ in watch.poll(1.0, 1000):
            connection, data = left[number], b""
            with contextlib.suppress(ConnectionError):
                data = connection.recv(4096)
            texts[connection] += data
            if not data:
                watch.unregister(number)
                del left[number]
                last = time.perf_counter() - began
                text = texts[connection]
                counts["503" if b" 503 " in text else "answered" if b" 200 " in text else "silent"] += 1
    counts["open"] = len(left)
    watch.close()
    return counts, last


def measured(model: str, connections: int, room: int, requests: int) -> dict[str, object]:
    """A record of one round. room: connections that the server takes.  requests: of one image each."""
    draw = random.Random(0)
    orders = [(draw.randrange(POOL),) for _ in range(requests)]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as held:
        state = Path(folder)
        key = create(
            str(state), "idle", per_minute=10**6, per_day=10**9, days=None, terms="1", attested_by="idle"
        )
        direct = Direct(model, state, signed=False, pool=POOL)
        given = (*OFF, f"max_connections={room}", f"body_seconds={HEAD_SECONDS}")
        with server(model, state, 64, given) as (address, process):
            asked(address, key, direct, orders[:1], 1, process)  # reads the model
            asked(address, key, direct, orders[:100], CLIENTS, process)
            before = resident(process)
            idle, seconds = opened(address, connections)
            held.callback(lambda: [each.close() for each in idle])
            time.sleep(2.0)  # until idle ones may have to make room
            during = resident(process)
            tally = asked(address, key, direct, itertools.islice(orders, 1, None), CLIENTS, process)
            ended, last = ends(idle, LATE)
            again = asked(address, key, direct, orders[:100], CLIENTS, process)
            after = resident(process)
    return {
        "connections": connections,
        "room": room,
        "opened_seconds": seconds,
        "kib_each": 1024 * (during - before) / min(connections, room),
        "mib": [before, during, after],
        "begun": tally.begun + again.begun,
        "statuses": dict(tally.statuses + again.statuses),
        "wrong": tally.wrong + again.wrong,
        "slowest": max(tally.seconds, default=0.0),
        "ended": dict(ended),
        "last_end_seconds": last,
    }


@click.command(epilog="Example: python -m benchmarks.idle_connections runs/00000-demo-openmoji-32")
@click.argument("model")
@click.option("--connections", type=click.IntRange(8), default=10_000, show_default=True, help="Idle ones.")
@click.option("--requests", type=click.IntRange(1), default=300, show_default=True, help="Meanwhile.")
def main(model: str, connections: int, requests: int) -> None:
    """Open idle connections to a server of MODEL on loopback, and ask it for images meanwhile."""
    torch.set_num_threads(1)
    make_room(connections)  # of this process
    for room in (connections + 64, connections // 8):
        echo_json(measured(model, connections, room, requests))


if __name__ == "__main__":
    main()
