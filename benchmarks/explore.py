"""From slider to picture on the page of `gan explore`, beside the bare network: python -m benchmarks.explore

The page is served as always, on this machine; a client asks over a socket for a point that differs in psi and
waits for all bytes of its picture. Untrained weights of a preset; bare calls and requests take turns, so that
other programs disturb both alike. "At rest" is the full picture as PNG, "moving" what a slider shows on its
way. The page's own share is a request for such a picture where no network has to run for it.
"""

import contextlib
import json
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import click
import torch
from torch import Tensor

from gan.images import to_uint8
from gan.latents import z_from_seeds
from gan.web.explore.model import Model
from gan.web.explore.pages import MOST_MESSAGE, app
from gan.web.explore.renderer import Renderer
from gan.web.explore.state import Point
from gan.web.explore.tab import Workshop
from gan.web.shell import serve
from training.recipes import fit, load_preset

TOKEN = "the-token-of-a-benchmark"
WARM = 3  # requests before those that count


@click.command(epilog="Example: python -m benchmarks.explore --threads 2 --sizes 64,128,256")
@click.option("--preset", default="stylegan2-small", show_default=True, help="Its generator, untrained.")
@click.option("--sizes", default="64,128,256", show_default=True, help="Pixels a side.")
@click.option("--threads", default=2, show_default=True, help="Threads of PyTorch.")
@click.option("--repeats", default=15, show_default=True, help="Timings of each.")
def main(preset: str, sizes: str, threads: int, repeats: int) -> None:
    """Print one line a size: medians, and frames per second while dragging."""
    torch.set_num_threads(threads)
    for size in map(int, sizes.split(",")):
        torch.manual_seed(0)
        generator = fit(load_preset(preset), shape=(3, size, size), c_dim=0).generator.build()
        model = Model(Renderer(generator.eval().requires_grad_(False)), preset, "0" * 64, [])
        with Client(Still(model.renderer.image(Point()))) as client:
            alone = [client.draw(False, n) for n in range(5 * repeats + WARM)][WARM:]
        with Client(model) as client:
            rest, bare = alternately(partial(client.draw, False), partial(direct, model), repeats)
            moving = [client.draw(True, n) for n in range(repeats + WARM)][WARM:]
        medians = (1000 * statistics.median(times) for times in (rest, bare, moving, alone))
        p50, whole, fast, own = medians
        print(
            f"{size}: bare {whole:.1f} ms, at rest {p50:.1f} ms ({p50 / whole:.2f} times), "
            f"page alone {own:.1f} ms, moving {fast:.1f} ms = {1000 / fast:.1f} frames a second; "
            f"{threads} threads, median of {repeats}",
            flush=True,
        )


def alternately(
    first: Callable[[int], float], second: Callable[[int], float], repeats: int
) -> tuple[list[float], list[float]]:
    """Seconds of both, in turn, without those that warm up."""
    pairs = [(first(n), second(n)) for n in range(repeats + WARM)][WARM:]
    return [a for a, _ in pairs], [b for _, b in pairs]


@torch.inference_mode()
def direct(model: Model, n: int) -> float:
    """Seconds of mapping, synthesis and rounding, without a page."""
    generator, began = model.renderer.generator, time.perf_counter()
    z = z_from_seeds([0], generator.z_dim)
    to_uint8(generator.synthesis(generator.mapping(z, psi=0.5 + n / 1000)))
    return time.perf_counter() - began


class Still:
    """A model whose one picture [C, H, W] is there already."""

    name, styled = "still", False

    def __init__(self, picture: Tensor) -> None:
        self.renderer, self.picture = self, picture

    def image(self, point: Point, moving: bool) -> Tensor:
        """The picture."""
        return self.picture


class Client:
    """A served page and a tab that asks for pictures, for the length of a block."""

    def __init__(self, model: Model | Still) -> None:
        self.shop = Workshop([model], {}, ThreadPoolExecutor(1), ThreadPoolExecutor(1))

    def __enter__(self) -> "Client":
        from websockets.sync.client import connect

        told, started = [], threading.Event()

        def say(address: str) -> None:
            told.append(address)
            started.set()

        threading.Thread(
            target=serve, args=(app(self.shop, TOKEN), "127.0.0.1", 0, say, MOST_MESSAGE), daemon=True
        ).start()
        started.wait()
        port = told[0].split(":")[2].split("/")[0]
        cookie = {"Cookie": f"gan-{port}={TOKEN}"}
        place = f"ws://127.0.0.1:{port}/socket"
        self.stack = contextlib.ExitStack()
        connected = connect(place, additional_headers=cookie, compression=None)
        self.socket = self.stack.enter_context(connected)
        self.socket.recv()  # hello
        return self

    def __exit__(self, *_: Any) -> None:
        self.stack.close()

    def draw(self, moving: bool, n: int) -> float:
        """Seconds from the request to the last byte of its picture."""
        began = time.perf_counter()
        asked = {"do": "draw", "serial": n, "moving": moving, "point": {"psi": 0.5 + n / 1000}}
        self.socket.send(json.dumps(asked))
        frame = self.socket.recv()
        seconds = time.perf_counter() - began
        header = json.loads(frame[4 : 4 + int.from_bytes(frame[:4], "big")])
        if header["kind"] != "picture" or header["serial"] != n:
            raise RuntimeError(f"asked for a picture, got {header}")
        return seconds


if __name__ == "__main__":
    main()
