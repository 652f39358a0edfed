"""A page served in a thread, and a headless browser to look at it; skipped where there is none."""

import contextlib
import functools
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gan.jobs import work_folder
from gan.jobs.review import Review
from gan.web.explore.model import Model
from gan.web.explore.pages import app
from tests.gan import work_folders
from tests.gan.web import driven, explored

TOKEN = "a-token-of-the-tests"
TOLD = (
    "ERR_CONNECTION_REFUSED",
    "ERR_CONNECTION_RESET",
    "409 (Conflict)",
    "400 (Bad Request)",
)  # what Chromium logs itself and the page tells in words
PATIENCE = 120_000  # milliseconds that a page may take on a busy machine
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@contextlib.contextmanager
def served(app: Any) -> Iterator[str]:
    """The address, without its token, of an application that runs until the block ends."""
    uvicorn = pytest.importorskip("uvicorn", reason="the extra web is not installed")
    from gan.web.shell.serving import listening

    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    with listening("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=functools.partial(server.run, sockets=[listener]))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def review(tmp_path: Path) -> Iterator[Review]:
    """A review of a small work folder."""
    found = Review(work_folder.opened(work_folders.make(tmp_path)))
    yield found
    found.work.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium of the system. While it is open no test can have an event loop of its own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tabs:
    """tabs(address, **options): a page; `errors` holds what pages have logged as such since `reset`.

    As the process of a page starts in a second and more, the first page that a test asks for with certain
    options is one that is kept for them, and what a test leaves in it is wiped. Others get new ones.
    """

    def __init__(self, browser: Any) -> None:
        self.browser, self.errors = browser, []
        self.contexts: list[Any] = []  # of this test alone
        self.kept: dict[str, Any] = {}  # options -> the page
        self.taken: set[str] = set()

    def __call__(
        self, address: str, *, color_scheme: str = "light", viewport: Any = None, **options: Any
    ) -> Any:
        viewport, key = viewport or {"width": 1280, "height": 800}, repr(options)
        if key in self.taken:
            context = self.browser.new_context(color_scheme=color_scheme, viewport=viewport, **options)
            self.contexts.append(context)
            return self.attach(context, address)
        if key not in self.kept:
            self.kept[key] = self._page(self.browser.new_context(viewport=viewport, **options))
        self.taken.add(key)
        page = self.kept[key]
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=color_scheme)
        page.goto(address, timeout=PATIENCE)
        return page

    def attach(self, context: Any, address: str) -> Any:
        """One more page of a context, which shares its cookies."""
        page = self._page(context)
        page.goto(address, timeout=PATIENCE)
        return page

    def reset(self) -> None:
        """Close what this test opened, and empty the pages that are kept."""
        for context in self.contexts:
            context.close()
        self.contexts.clear()
        for key in self.taken:
            self._wipe(self.kept[key])
        self.taken.clear()
        self.errors.clear()  # a page that is left loses the answers under way, and says so

    def _page(self, context: Any) -> Any:
        page = context.new_page()
        page.on("console", lambda line: line.type == "error" and self.errors.append(line.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        return page

    def _wipe(self, page: Any) -> None:
        for other in page.context.pages:
            if other is not page:
                other.close()
        if page.url.startswith("http"):
            page.evaluate("localStorage.clear(); sessionStorage.clear()")
        page.context.clear_cookies()
        page.unroute_all()
        page.emulate_media(media="null")
        page.mouse.move(0, 0)
        page.goto("about:blank", timeout=PATIENCE)


@pytest.fixture(scope="module")
def tabs(chromium: Any) -> Tabs:
    """Those of a module."""
    return Tabs(chromium)


@pytest.fixture
def tab(tabs: Tabs) -> Iterator[Tabs]:
    """tab(address, **options): a page that knows nothing of other tests; to log an error fails the test."""
    yield tabs
    seen = list(tabs.errors)
    tabs.reset()
    assert [line for line in seen if not any(words in line for words in TOLD)] == []


@pytest.fixture(scope="module")
def model(tiny_zip: Path) -> Model:
    """A tiny model of classes, with data, for the explore page in a browser."""
    return explored.model(explored.stylegan(), data=str(tiny_zip))


@pytest.fixture
def home(model: Model) -> Iterator[str]:
    """The address, without its token, of the explore page of `model`."""
    with explored.workshop(model) as shop, served(app(shop, TOKEN)) as address:
        yield address


@pytest.fixture
def page(tab: Callable[..., Any], home: str) -> Any:
    """The explore page of `model` in a browser, its first picture drawn."""
    return driven.ready(tab(f"{home}/?token={TOKEN}"))


@pytest.fixture
def client(api: tuple[Any, Any, str]) -> Any:
    """The client of a module's `api`, as `serve_api.client_of` has it."""
    return api[0]


@pytest.fixture
def service(api: tuple[Any, Any, str]) -> Any:
    """The service of a module's `api`."""
    return api[1]
