"""A small hub on loopback: what huggingface_hub asks of one, with a store in memory and planted faults."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_" + "x" * 34
LARGE = 4096  # bytes from which a file is kept as LFS keeps it
Files = dict[str, bytes]


@dataclass
class Repository:
    """private.  branches: name -> commit.  commits: of their files."""

    private: bool = False
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Files] = field(default_factory=dict)

    def commit(self, files: Files, branch: str = "main") -> str:
        """A new commit of exactly these files."""
        text = json.dumps([len(self.commits), *sorted(files)]).encode()
        sha = hashlib.sha1(text + b"".join(files.values())).hexdigest()
        self.commits[sha], self.branches[branch] = dict(files), sha
        return sha

    def files(self, revision: str) -> tuple[str, Files] | None:
        sha = self.branches.get(revision, revision)
        return (sha, self.commits[sha]) if sha in self.commits else None


@dataclass
class Hub:
    """repositories: ("models", "user/name") -> what it holds.  asked: methods and paths, in order.

    served: path in a repository -> other bytes than were committed.  sizes: that are listed instead of the
    true ones.  short: paths whose answers end early.  refused: statuses of the next commits.
    """

    address: str = ""
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    served: dict[str, bytes] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    short: set[str] = field(default_factory=set)
    refused: list[int] = field(default_factory=list)

    def put(self, name: str, files: Files, kind: str = "models", branch: str = "main") -> str:
        """Commit files to a repository, made if there is none; returns the commit."""
        return self.repositories.setdefault((kind, name), Repository()).commit(files, branch)

    def downloads(self) -> list[str]:
        """Files that were fetched, in order."""
        return [
            line.partition("/resolve/")[2].partition("/")[2]
            for line in self.asked
            if "GET" in line and "/resolve/" in line
        ]

    def entry(self, path: str, content: bytes) -> dict[str, Any]:
        size = self.sizes.get(path, len(content))
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        found: dict[str, Any] = {"rfilename": path, "size": size, "blobId": blob}
        if len(content) > LARGE:
            sha256 = hashlib.sha256(content).hexdigest()
            found["lfs"] = {"size": size, "sha256": sha256, "pointerSize": 130}
        return found


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def say(self, data: object, status: int = 200) -> None:
        self.answer(status, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, b"{}", {"X-Error-Code": code})

    def route(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        self.hub.tokens.append(self.headers.get("Authorization", ""))
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        for method, pattern, action in ROUTES:
            if method == self.command and (match := re.fullmatch(pattern, path)):
                if method != "GET" and method != "HEAD" and not self.allowed():
                    return self.refuse(401, "")
                return action(self, **match.groupdict())
        return self.refuse(404, "RepoNotFound")

    do_GET = do_HEAD = do_POST = do_PUT = route

    def allowed(self) -> bool:
        return self.path.startswith("/lfs/") or self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def found(self, kind: str, name: str, revision: str) -> tuple[Repository, str, Files] | None:
        repository = self.hub.repositories.get((kind, name))
        if repository is None or (repository.private and not self.allowed()):
            self.refuse(404, "RepoNotFound")
            return None
        if (files := repository.files(revision)) is None:
            self.refuse(404, "RevisionNotFound")
            return None
        return repository, *files

    def whoami(self) -> None:
        if not self.allowed():
            return self.refuse(401, "")
        token = {"displayName": "of a test", "role": "write"}
        return self.say({"name": "user", "type": "user", "orgs": [], "auth": {"accessToken": token}})

    def info(self, kind: str, name: str, revision: str | None = None) -> None:
        if found := self.found(kind, name, revision or "main"):
            repository, sha, files = found
            siblings = [self.hub.entry(path, content) for path, content in files.items()]
            about = {"id": name, "modelId": name, "sha": sha, "private": repository.private}
            self.say({**about, "siblings": siblings, "tags": [], "downloads": 0, "likes": 0})

    def resolve(self, kind: str | None, name: str, revision: str, path: str) -> None:
        if not (found := self.found((kind or "models/").rstrip("/"), name, revision)):
            return
        _, sha, files = found
        if path not in files:
            return self.refuse(404, "EntryNotFound")
        entry, content = self.hub.entry(path, files[path]), self.hub.served.get(path, files[path])
        etag = entry.get("lfs", {}).get("sha256") or entry["blobId"]
        size = entry["size"] if path in self.hub.sizes else len(content)
        headers = {"X-Repo-Commit": sha, "ETag": f'"{etag}"', "Content-Length": str(size)}
        if path in self.hub.short:
            content, self.close_connection = content[: len(content) // 2], True
        self.answer(200, content, headers)

    def create(self) -> None:
        asked = json.loads(self.body)
        name, kind = f"{asked['organization']}/{asked['name']}", f"{asked.get('type', 'model')}s"
        if (kind, name) in self.hub.repositories:
            return self.say({"url": f"{self.hub.address}/{name}"}, 409)
        if kind == "spaces" and asked.get("sdk") != "gradio":
            return self.refuse(400, "")
        private = asked.get("visibility") == "private"
        self.hub.repositories[kind, name] = Repository(private)
        self.hub.put(name, {".gitattributes": b"*.safetensors filter=lfs\n"}, kind)
        return self.say({"url": f"{self.hub.address}/{name}"})

    def branch(self, kind: str, name: str, branch: str) -> None:
        repository = self.hub.repositories[kind, name]
        repository.branches.setdefault(branch, repository.branches["main"])
        self.say({})

    def preupload(self, kind: str, name: str, revision: str) -> None:
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["size"] > LARGE else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(self.body)["files"]
        ]
        self.say({"files": modes})

    def batch(self, name: str) -> None:
        """Where to send large files; nowhere for those that are here already."""
        wanted = json.loads(self.body)["objects"]
        to = f"{self.hub.address}/lfs"
        objects = [
            o if o["oid"] in self.hub.blobs else {**o, "actions": {"upload": {"href": f"{to}/{o['oid']}"}}}
            for o in wanted
        ]
        self.say({"transfer": "basic", "objects": objects})

    def upload(self, oid: str) -> None:
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.hub.blobs[oid] = self.body
        self.answer(200)

    def commit(self, kind: str, name: str, revision: str) -> None:
        if self.hub.refused:
            return self.refuse(self.hub.refused.pop(0), "")
        repository = self.hub.repositories[kind, name]
        files = dict(repository.files(revision)[1])
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        sha = repository.commit(files, revision)
        return self.say({"commitUrl": f"{self.hub.address}/{name}/commit/{sha}", "commitOid": sha})


REPO = r"(?P<name>[^/]+/[^/]+?)"
KIND = r"/api/(?P<kind>models|datasets|spaces)/"
ROUTES = (
    ("GET", r"/api/whoami-v2", Handler.whoami),
    ("GET", rf"{KIND}{REPO}(?:/revision/(?P<revision>.+))?", Handler.info),
    (
        "GET",
        rf"/(?P<kind>datasets/|spaces/)?{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
        Handler.resolve,
    ),
    (
        "HEAD",
        rf"/(?P<kind>datasets/|spaces/)?{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
        Handler.resolve,
    ),
    ("POST", r"/api/repos/create", Handler.create),
    ("POST", r"/api/validate-yaml", lambda self: self.say({"errors": [], "warnings": []})),
    ("POST", rf"{KIND}{REPO}/branch/(?P<branch>.+)", Handler.branch),
    ("POST", rf"{KIND}{REPO}/preupload/(?P<revision>.+)", Handler.preupload),
    ("POST", rf"{KIND}{REPO}/commit/(?P<revision>.+)", Handler.commit),
    ("POST", rf"/(?:datasets/|spaces/)?{REPO}\.git/info/lfs/objects/batch", Handler.batch),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", Handler.upload),
)


@contextmanager
def running() -> Iterator[Hub]:
    """The hub, on a free port of 127.0.0.1 within the block."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
