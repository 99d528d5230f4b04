"""What several tests need: material (of test/fixtures, and more beside the repository), a server of files."""

import csv
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

FIXTURES = Path(__file__).with_name("fixtures")
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder `../shared` with golden numbers and real material; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there (the full golden numbers and real material)")
    return SHARED


@pytest.fixture(scope="session", params=["fixtures", "shared"])
def material(request):
    """Which material a test runs on: "fixtures", and once more on "shared" where that is there."""
    if request.param == "shared":
        request.getfixturevalue("shared_dir")
    return request.param


@pytest.fixture(scope="session")
def golden_dir(material):
    """Golden numbers of the published code, in the layout of tools/check_golden.py."""
    return (FIXTURES if material == "fixtures" else SHARED) / "golden"


@pytest.fixture(scope="session")
def caption_files(material):
    """Folders `audiocaps` and `clotho` with caption files in the layout of the corpora."""
    return FIXTURES / "captions" if material == "fixtures" else SHARED / "data/captions"


@pytest.fixture(scope="session")
def ten_sounds(material, tmp_path_factory):
    """An AudioFolder with `train` and `test`: ten labels, captions in eight languages, five in English."""
    if material == "shared":
        return SHARED / "data/esc10"
    folder = tmp_path_factory.mktemp("ten_sounds")
    captions = {}
    with open(FIXTURES / "captions/ten_sounds.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            captions.setdefault(row["label"], []).append(row)
    for split, clips in (("train", 4), ("test", 2)):
        (folder / split).mkdir()
        with open(folder / split / "metadata.csv", "w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, ["file_name", "caption", "lang", "label"])
            table.writeheader()
            for number, (label, rows) in enumerate(captions.items()):
                for clip in range(clips):
                    name = f"{split}-{label}-{clip}.ogg"
                    write_sound(folder / split / name, number, clip)
                    table.writerows({**row, "file_name": name} for row in rows)
    return folder


def write_sound(path, kind, seed):
    """Half a second of two tones that tell the kind of sound, in some noise."""
    generator = np.random.default_rng([kind, seed])
    time = np.arange(22050) / 44100
    tones = sum(np.sin(2 * np.pi * hertz * time) for hertz in (200 + 150 * kind, 3000 + 300 * kind))
    soundfile.write(path, 0.2 * tones + 0.05 * generator.standard_normal(len(time)), 44100)


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
