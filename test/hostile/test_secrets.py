"""Keys and passwords"""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import yaml

from espnet_mlclap.bin import translate
from espnet_mlclap.fileio.data_dir import Caption, DataDir

KEY = "sk-0123456789abcdef"
PASSWORD = "pa55word-of-mine"


class Echo(BaseHTTPRequestHandler):
    """A server that answers with what it was sent, keys included."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.status
        said = f"your key {self.headers['Authorization']} at {self.path}"
        answer = {"error": {"message": said}}
        if status == 200:
            texts = json.loads(body["messages"][1]["content"])
            content = json.dumps({"translations": [f"le {text}" for text in texts]})
            answer = {"choices": [{"message": {"role": "assistant", "content": content}}]}
        if status == 299:
            status, answer = 200, {"choices": [{"message": {"role": "assistant", "content": said}}]}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        """Keep quiet."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, caplog, server):
    """Translate two captions with an address and a key; everything that was printed, logged and written."""
    pytest.importorskip("openai")
    data = DataDir()
    for number, text in enumerate(("a dog barks", "rain falls"), 1):
        data.captions[f"c-eng_Latn-{number}"] = Caption(text, "c", "eng_Latn")
    data.write(tmp_path / "data")

    def run(address, key, status):
        server.status = status
        monkeypatch.setenv("KEY_OF_THIS_TEST", key)
        settings = {"base_url": address.format(port=server.server_address[1]), "max_retries": 0}
        settings |= {"key_variable": "KEY_OF_THIS_TEST", "max_attempts": 1}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({"chat": settings}))
        options = ["--data_dir", str(tmp_path / "data"), "--out_dir", str(tmp_path / "out")]
        options += ["--source_lang", "eng_Latn", "--langs", "fra_Latn", "--translator", "chat"]
        failed = False
        try:
            translate.main([*options, "--config", str(tmp_path / "config.yaml"), "--nj", "1"])
        except SystemExit:
            failed = True
        printed = capsys.readouterr()
        written = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
        everything = printed.out + printed.err + caplog.text + b" ".join(written).decode()
        return failed, everything

    return run


ADDRESSES = [
    "http://127.0.0.1:{port}/v1",
    f"http://me:{PASSWORD}@127.0.0.1:{{port}}/v1",
    f"http://127.0.0.1:{{port}}/v1?api_key={PASSWORD}",
]


@pytest.mark.parametrize("status", [200, 299, 400, 401, 500])
@pytest.mark.parametrize("address", ADDRESSES)
def test_keys_are_nowhere(run, address, status):
    """A server that sends the key back, a key or password in its address: neither printed nor written."""
    failed, everything = run(address, KEY, status)
    assert failed == (status != 200)
    assert ("127.0.0.1" in everything) >= (status in (401, 500))
    assert KEY not in everything
    assert PASSWORD not in everything


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\n"])
def test_a_key_with_a_line_end(run, key):
    """A key with a line end after it, as files have it, works."""
    failed, everything = run(ADDRESSES[0], key, 200)
    assert not failed
    assert KEY not in everything


@pytest.mark.parametrize("key", [f"{KEY}\n{KEY}", f"{KEY} x", f"{KEY}\xe9", f"\u202e{KEY}"])
def test_what_cannot_be_a_key(run, key):
    """A key with a line break, a blank or other letters in it: the variable is named, the key is not."""
    failed, everything = run(ADDRESSES[0], key, 200)
    assert failed
    assert "KEY_OF_THIS_TEST" in everything
    assert "no connection" not in everything
    assert KEY not in everything
