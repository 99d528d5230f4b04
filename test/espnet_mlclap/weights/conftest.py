"""A small HTTP server that behaves, or misbehaves as a test tells it to."""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from espnet_mlclap.weights.table import Weights

CONTENT = bytes(hashlib.sha256(str(i).encode()).digest()[0] for i in range(300_000))
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `files`; the attributes say how."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/weights.bin": CONTENT}
        self.json = {}  # path -> answer of an interface
        self.break_after = []  # bytes of each answer before the connection is cut; then none is
        self.ignore_range = False
        self.wrong_range = False
        self.added_length = 0  # what Content-Length is wrong by
        self.statuses = []  # of the first answers
        self.etag = '"1"'
        self.requests = []  # (path, Range header) of each request

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

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
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()
        if self.server.break_after:
            body = body[: self.server.break_after.pop(0)]
        self.wfile.write(body)

    def log_message(self, *arguments) -> None:
        """Keep quiet."""


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def make_weights(server):
    """Make a row of the table whose file lies on the server."""

    def make(size=None, sha256=DIGEST, source=None) -> Weights:
        source = source or {"kind": "address", "url": f"{server.address}/weights.bin"}
        return Weights("some_weights", "for tests", source, size, None, sha256, "CC0-1.0")

    return make


@pytest.fixture(autouse=True)
def quick_and_apart(monkeypatch, tmp_path):
    """No pauses, and no cache but the test's own."""
    monkeypatch.setattr("espnet_mlclap.weights.download._PAUSE", 0.0)
    monkeypatch.setenv("MLCLAP_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
