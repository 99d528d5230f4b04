"""What several tests need: the material beside the repository, and a server of files."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder `../shared` with golden numbers and real material; skips where it is absent."""
    path = Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip(f"{path} is not there (golden numbers and real material)")
    return path


@pytest.fixture(scope="session", autouse=True)
def small_sonar():
    """Folder of the small SONAR's asset cards, which this process and those that it starts find by name.

    Set for every test, since fairseq2 reads the folder once in a process, when it is first used.
    """
    folder = Path(__file__).resolve().parents[1] / "egs2/mini/mlclap1/sonar_assets"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIRSEQ2_ASSET_DIR", str(folder))
        yield folder


class Server(ThreadingHTTPServer):
    """A small HTTP server that behaves, or misbehaves as a test tells it to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {}  # path -> bytes
        self.json = {}  # path -> answer of an interface
        self.break_after = []  # bytes of each answer before the connection is cut; then none is
        self.ignore_range = False
        self.wrong_range = False
        self.added_length = 0  # what Content-Length is wrong by
        self.statuses = []  # of the first answers
        self.etag = '"1"'
        self.etags = {}  # of single files, by path
        self.headers = {}  # further headers of each answer
        self.requests = []  # (path, Range header) of each request

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        server, path = self.server, self.path.partition("?")[0]
        wanted = self.headers.get("Range")
        server.requests.append((path, wanted))
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        if path in server.json:
            self.answer(200, json.dumps(server.json[path]).encode())
            return
        if path not in server.files:
            self.send_error(404)
            return
        body = server.files[path]
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
        if self.headers.get("If-Range", server.etag) != server.etag or server.ignore_range:
            start, wanted = 0, None
        if not wanted:
            self.answer(200, body)
        elif start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body) + server.added_length}")
            self.end_headers()
        else:
            stated = start + 7 if server.wrong_range else start
            span = f"bytes {stated}-{len(body) - 1}/{len(body) + server.added_length}"
            self.answer(206, body[start:], span)

    def answer(self, status: int, body: bytes, span: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + self.server.added_length))
        etag = self.server.etags.get(self.path.partition("?")[0], self.server.etag)
        if etag:
            self.send_header("ETag", etag)
        if span:
            self.send_header("Content-Range", span)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.server.break_after:
            body = body[: self.server.break_after.pop(0)]
        self.wfile.write(body)

    def log_message(self, *arguments) -> None:
        """Keep quiet."""


@pytest.fixture
def http_server(monkeypatch):
    """A running `Server`."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
