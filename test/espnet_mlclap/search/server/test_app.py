"""The API: what it answers, what it refuses, and what it never tells."""

import io
import json
import os

import httpx
import numpy as np
import pytest
import soundfile

from espnet_mlclap.search.server.guard import HEADERS, Limiter
from espnet_mlclap.search.server.peaks import read_peaks


@pytest.fixture
def client(material):
    """A client of a server with the usual settings."""
    with httpx.Client(base_url=material.serve(), trust_env=False) as client:
        yield client


def search(client, **question):
    answer = client.post("/search", json=question)
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(answer):
    return [hit["name"] for hit in answer["hits"]]


def test_words_in_any_language_find_their_tones(client):
    for lang in ("eng_Latn", "jpn_Jpan"):
        answer = search(client, words="tone 3", lang=lang, top=1)
        assert (names(answer), answer["more"]) == (["tone3.wav"], True)
    hit = search(client, words="6", top=1)["hits"][0]
    assert (hit["name"], hit["folder"], hit["start"], hit["end"]) == (
        "long.flac",
        "audio/sub",
        30,
        40,
    )
    assert hit["similarity"] > 0.99
    assert hit["duration"] == 60
    assert "/tmp" not in json.dumps(hit), "where the folders are is nobody's business"


def test_words_that_must_not_fit_hits_and_sounds(client, material):
    both = names(search(client, words="1 2", top=2))
    assert sorted(both) == ["tone1.wav", "tone2.wav"]
    assert names(search(client, words="1 2", minus="2", top=1)) == ["tone1.wav"]
    hostile = search(client, words="5", top=1)["hits"][0]
    more = search(client, like=[hostile["window"]], top=1)
    assert {hostile["name"], *names(more)} == {*material.hostile}
    sound = (material.folder / "tone4.wav").read_bytes()
    answer = client.post("/similar", content=sound, params={"wanted": '{"top": 1}'}).json()
    assert names(answer) == ["tone4.wav"]
    mixed = client.post("/similar", content=sound, params={"wanted": '{"words": "2", "top": 2}'})
    assert {*names(mixed.json())} == {"tone2.wav", "tone4.wav"}


def test_pages_and_filters(client):
    first = search(client, words="1", top=4)
    rest = search(client, words="1", top=4, offset=4)
    everything = search(client, words="1", top=100)
    assert first["hits"] + rest["hits"] == everything["hits"][:8]
    assert not everything["more"]
    one_each = search(client, words="8", top=100, one_per_recording=True)
    assert sorted(names(one_each)) == sorted({*names(everything)})
    assert names(search(client, words="1", top=9, filters={"min_duration": 3.5}))[0] != "tone1.wav"
    assert search(client, words="1", filters={"tags": ["indoors"]})["hits"] == []
    assert (
        len(search(client, words="1", filters={"tags": ["field"], "folder": "audio"})["hits"]) > 5
    )
    assert search(client, words="1", filters={"changed_after": 4e9})["hits"] == []
    assert all(
        h["similarity"] >= 0.5 for h in search(client, words="1", min_similarity=0.5)["hits"]
    )


def test_what_can_be_searched(client):
    library = client.get("/library").json()
    assert (library["recordings"], library["folders"], library["tags"]) == (
        13,
        ["audio"],
        ["field"],
    )
    assert {"code": "jpn_Jpan", "iso": "ja", "trained": True} in library["languages"]
    assert library["languages"][-1] == {"code": "por_Latn", "iso": "pt", "trained": False}
    health = client.get("/health").json()
    assert (health["status"], health["recordings"], health["windows"]) == ("ok", 13, 23)
    described = client.get("/openapi.json").json()
    assert {"/search", "/similar", "/audio/{recording}", "/peaks/{recording}"} <= {
        *described["paths"]
    }


def test_recordings_in_pieces(client, material):
    hit = search(client, words="2", top=1)["hits"][0]
    content = (material.folder / "tone2.wav").read_bytes()
    address = f"/audio/{hit['recording']}"
    whole = client.get(address)
    assert (whole.content, whole.headers["content-type"]) == (content, "audio/x-wav")
    for header, piece in (("bytes=10-19", content[10:20]), ("bytes=-5", content[-5:])):
        part = client.get(address, headers={"Range": header})
        assert (part.status_code, part.content) == (206, piece)
    assert client.get(address, headers={"Range": f"bytes={len(content)}-"}).status_code == 416


def test_peaks_are_those_of_the_samples(material):
    samples, rate = soundfile.read(material.folder / "sub/long.flac", dtype="float32")
    start, end, pieces = 25.0, 42.5, 7
    peaks = read_peaks(material.folder / "sub/long.flac", start, end, pieces)
    for number in range(pieces):
        first, last = (start + (end - start) * (number + k) / pieces for k in (0, 1))
        piece = samples[round(first * rate) : round(last * rate)]
        assert peaks.low[number] == pytest.approx(piece.min(), abs=1e-3)
        assert peaks.high[number] == pytest.approx(piece.max(), abs=1e-3)
    beyond = read_peaks(material.folder / "tone1.wav", 3.5, 4.5, 4)
    assert beyond.low == beyond.high == [0, 0, 0, 0]


def test_only_what_was_indexed_is_given_away(client, material, tmp_path):
    hit = search(client, words="2", top=1)["hits"][0]
    secret = tmp_path / "secret.wav"
    material.tone(secret, 7)
    path = material.folder / "tone2.wav"
    path.unlink()
    path.symlink_to(secret)
    for route in ("/audio/{}", "/peaks/{}?start=0&end=1"):
        answer = client.get(route.format(hit["recording"]))
        assert answer.status_code == 404
        assert "mlclap index" in answer.json()["error"]
    path.unlink()
    assert client.get(f"/audio/{hit['recording']}").status_code == 404
    for address in (
        "/audio/4711",
        "/page/app.py",
        "/page/..%2fapp.py",
        "/audio/../secret.wav",
        "/page/",
    ):
        answer = client.get(address)
        assert answer.status_code in (404, 422), address
        assert "error" in answer.json()


MISTAKES = [
    ({}, "nothing to look for"),
    ({"words": "  "}, "nothing to look for"),
    ({"words": "1", "lang": "xx"}, "xx: unknown"),
    ({"words": "1", "minus": "1"}, "cancel each other"),
    ({"like": [4711]}, "window 4711"),
    ({"words": "1", "top": 101}, "top: 101 is too much; at most 100"),
    ({"words": "1", "offset": 10**9}, "at most 1000"),
    ({"words": "1" * 1001}, "words: 1001"),
    ({"words": "1", "filters": {"folder": "/etc"}}, "/etc: the library has no such folder"),
    ({"words": "1", "wrods": "2"}, "wrods"),
    ({"words": ["1"]}, "words: "),
    ({"words": "1", "min_similarity": float("nan")}, ""),
    ([], ""),
]


def test_mistakes_are_told_in_a_line(client):
    for question, message in MISTAKES:
        as_json = {"Content-Type": "application/json"}
        answer = client.post("/search", content=json.dumps(question), headers=as_json)
        assert answer.status_code in (400, 422)
        assert message in answer.json()["error"]


def test_a_mistake_of_ours_is_not_explained_to_clients(client, caplog):
    answer = client.post("/search", json={"words": "crash"})
    assert answer.status_code == 500
    assert "passwd" not in answer.text
    assert "Traceback" not in answer.text
    assert "log" in answer.json()["error"]


def test_sounds_that_are_none_or_too_large(material):
    with httpx.Client(base_url=material.serve(max_upload_mb=0.1), trust_env=False) as client:
        for content in (b"no sound", b""):
            answer = client.post("/similar", content=content)
            assert answer.status_code == 400
            assert answer.json()["error"].startswith("your recording: ")
        assert client.post("/similar", content=b"", params={"wanted": "{"}).status_code == 422
        with io.BytesIO() as file:
            soundfile.write(file, np.zeros(200_000), 8000, format="WAV")
            long = file.getvalue()
        pieces = [long[start : start + 50_000] for start in range(0, len(long), 50_000)]
        for content in (long, iter(pieces)):  # with its length said before, and without
            answer = client.post("/similar", content=content)
            assert answer.status_code == 413
            assert "at most 0.1 MB" in answer.json()["error"]
        assert client.post("/search", content=b" " * 100_000).status_code == 413


def test_every_answer_protects_the_browser(client):
    for address in ("/", "/page/app.js", "/library", "/nowhere"):
        headers = client.get(address).headers
        assert all(headers[name] == value for name, value in HEADERS.items())
    page = client.get("/").text
    assert "http" not in page.replace("http-equiv", ""), "nothing comes from elsewhere"
    assert "onclick" not in page
    assert "<style" not in page


def test_other_names_of_this_machine_are_refused(client):
    assert client.get("/library", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/library", headers={"Host": "localhost"}).status_code == 200


def test_a_token(material):
    address = material.serve(token="secret")
    with httpx.Client(base_url=address, trust_env=False) as client:
        assert client.get("/health").status_code == 200
        for route in ("/", "/library", "/audio/1", "/openapi.json", "/metrics", "/page/app.js"):
            answer = client.get(route)
            assert answer.status_code == 401
            assert "?token=" in answer.json()["error"]
        assert client.get("/?token=secreT").status_code == 401
        assert client.get("/library", headers={"Authorization": "Bearer secret"}).status_code == 200
        moved = client.get("/?token=secret&q=a+b")
        assert (moved.status_code, moved.headers["location"]) == (303, "/?q=a+b")
        assert "HttpOnly; SameSite=Strict" in moved.headers["set-cookie"]
        assert client.get("/library").status_code == 200, "the cookie is enough now"


def test_too_many_queries(material):
    address = material.serve(burst=2, queries_per_minute=60)
    with httpx.Client(base_url=address, trust_env=False) as client:
        statuses = [client.post("/search", json={"words": "1"}).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        refused = client.post("/search", json={"words": "1"})
        assert int(refused.headers["retry-after"]) >= 1
        assert client.get("/library").status_code == 200


def test_the_limiter_by_hand():
    now = [0.0]
    limiter = Limiter(0.5, 2, lambda: now[0])
    assert [limiter.wait("a"), limiter.wait("a"), limiter.wait("a")] == [0, 0, 2]
    assert limiter.wait("b") == 0
    now[0] = 1.0
    assert limiter.wait("a") == 1
    now[0] = 2.0
    assert [limiter.wait("a"), limiter.wait("a")] == [0, 2]


def test_numbers_for_prometheus(client):
    search(client, words="1")
    client.get("/nowhere")
    lines = client.get("/metrics").text.splitlines()
    assert 'mlclap_requests_total{route="search",status="200"} 1' in lines
    assert 'mlclap_requests_total{route="other",status="404"} 1' in lines
    assert 'mlclap_request_seconds_bucket{route="search",le="+Inf"} 1' in lines
    assert "mlclap_windows 23" in lines


def add(material, name):
    """One more recording in the library, of kind 1."""
    from espnet_mlclap.search.question import encode_windows
    from espnet_mlclap.search.update import update_library

    service = material.service
    material.tone(material.folder / "new.wav", 1, seconds=9)
    os.rename(material.folder / "new.wav", os.path.join(os.fsencode(material.folder), name))
    update_library(
        service.library, [material.folder], lambda windows: encode_windows(service._model, windows)
    )


def test_a_library_that_grows_is_seen_at_once(client, material):
    add(material, b"newer.wav")
    assert "newer.wav" in names(search(client, words="1", top=2))


def test_a_name_that_is_not_utf8_is_shown_and_played(client, material):
    add(material, b"caf\xe9.wav")
    hits = {hit["name"]: hit for hit in search(client, words="1", top=2)["hits"]}
    recording = hits["caf\\xe9.wav"]["recording"]
    assert client.get(f"/audio/{recording}").content[:4] == b"RIFF"
    assert client.get(f"/peaks/{recording}?start=0&end=1").status_code == 200
