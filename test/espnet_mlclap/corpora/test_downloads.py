"""Downloads of corpora, from a local server that stands for Zenodo, the hub and the site of the videos."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import py7zr
import pytest
import soundfile
import yt_dlp

from espnet_mlclap.corpora import fetch
from espnet_mlclap.corpora.audiocaps import download_audiocaps, prepare_audiocaps
from espnet_mlclap.corpora.clotho import download_clotho, prepare_clotho
from espnet_mlclap.corpora.wavcaps import BLACKLIST, REPOSITORY, REVISION, SOURCES, unpack_split_zip
from espnet_mlclap.corpora.youtube import VideoClip, _too_short, fetch_clips
from espnet_mlclap.fileio.published import read_published
from espnet_mlclap.utils.errors import UserError


def tone(pitch: float, seconds: float, extension: str = "WAV") -> bytes:
    file = io.BytesIO()
    times = np.arange(int(seconds * 16000)) / 16000
    soundfile.write(file, 0.3 * np.sin(2 * np.pi * pitch * times), 16000, format=extension)
    return file.getvalue()


@pytest.fixture
def table(http_server, monkeypatch, tmp_path):
    """The real table of files, with the server in place of every host."""
    text = fetch.FILES.read_text(encoding="utf-8")
    text = text.replace("kind: zenodo", f'kind: zenodo, host: "{http_server.address}"')
    text = re.sub(r"https://[^/]*", http_server.address, text)
    (tmp_path / "files.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(fetch, "FILES", tmp_path / "files.yaml")
    monkeypatch.setattr("espnet_mlclap.fileio.download._PAUSE", 0.0)
    return read_published(tmp_path / "files.yaml")


def change_row(table, name, body, server):
    """Serve `body` for a row whose published checksum it cannot have."""
    row = table[name]
    server.files[row.url.removeprefix(server.address)] = body
    text = fetch.FILES.read_text(encoding="utf-8").replace(
        row.sha256, hashlib.sha256(body).hexdigest()
    )
    fetch.FILES.write_text(
        text.replace(f"size: {row.size}", f"size: {len(body)}"), encoding="utf-8"
    )


@pytest.fixture
def zenodo(http_server, table, tmp_path):
    """A small Clotho on the server."""
    listing = []

    def add(row, body):
        path = row.source["path"]
        http_server.files[f"/records/{row.source['record']}/files/{path}"] = body
        md5 = hashlib.md5(body).hexdigest()
        listing.append({"key": path, "size": len(body), "checksum": f"md5:{md5}"})

    columns = ",".join(["file_name", *(f"caption_{n}" for n in range(1, 6))])
    for split in ("development", "validation", "evaluation"):
        name = f"Été {split}.wav"
        add(table[f"clotho_{split}_captions"], f"{columns}\n{name},a,b,c,d,e\n".encode())
        metadata = f"file_name,keywords,sound_id\n{name},rain;wind,{len(split)}\n"
        add(table[f"clotho_{split}_metadata"], metadata.encode("latin-1"))
        (tmp_path / name).write_bytes(tone(440, 0.2))
        with py7zr.SevenZipFile(tmp_path / "audio.7z", "w") as archive:
            archive.write(tmp_path / name, f"{split}/{name}")
        add(table[f"clotho_{split}_audio"], (tmp_path / "audio.7z").read_bytes())
    record = table["clotho_validation_audio"].source["record"]
    http_server.json[f"/api/records/{record}"] = {"files": listing, "metadata": {}}
    return http_server


def test_clotho_is_fetched_verified_and_prepared(zenodo, tmp_path):
    zenodo.break_after = [10**9] * 5 + [500]  # the first archive, in the middle
    download_clotho(tmp_path / "clotho")
    assert any(wanted == "bytes=500-" for _, wanted in zenodo.requests), (
        "continues where it broke off"
    )
    assert not list((tmp_path / "clotho").glob("*.7z")), "the archives are gone once unpacked"
    sets = prepare_clotho(tmp_path / "clotho", tmp_path / "clotho", tmp_path / "data")
    assert {name: len(data.wav_scp) for name, data in sets.items()} == {
        "development": 1, "validation": 1, "evaluation": 1,
    }  # fmt: skip
    assert list(sets["validation"].sources.values()) == ["freesound:10"]
    zenodo.requests = []
    left = tmp_path / "clotho" / "clotho_audio_development.7z"
    left.touch()  # killed before it was removed
    download_clotho(tmp_path / "clotho")
    assert not [path for path, _ in zenodo.requests if path.endswith(".7z")], "nothing twice"
    assert not left.exists()
    (tmp_path / "clotho/development/.unpacked").unlink()  # put there by hand, perhaps in part
    left.touch()
    download_clotho(tmp_path / "clotho")
    assert left.exists()


def test_a_damaged_archive_leaves_no_folder(zenodo, tmp_path):
    path = next(path for path in zenodo.files if path.endswith("audio_development.7z"))
    zenodo.files[path] = zenodo.files[path][:-1] + b"?"
    with pytest.raises(UserError, match="clotho_development_audio: .*not the published file"):
        download_clotho(tmp_path / "clotho", splits=["development"])
    assert not (tmp_path / "clotho/development").exists()
    (tmp_path / "x.7z").write_bytes(b"7z, it is not")
    with pytest.raises(UserError, match="x.7z: damaged"):
        fetch.unpack_flat(tmp_path / "x.7z", tmp_path / "x", fetch.unpack_7z)
    assert not (tmp_path / "x").exists()


def test_what_a_killed_run_left_is_removed(tmp_path):
    left = tmp_path / ".x.abc.tmp"
    (left / "archive").mkdir(parents=True)
    (tmp_path / ".xy.abc.tmp").mkdir()
    with py7zr.SevenZipFile(tmp_path / "x.7z", "w") as archive:
        archive.writestr(b"RIFF", "a/1.wav")
    fetch.unpack_flat(tmp_path / "x.7z", tmp_path / "x", fetch.unpack_7z)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".xy.abc.tmp", "x", "x.7z"]


@pytest.fixture
def videos(http_server):
    """A site of videos: the pitch of `good` goes from 200 to 2200 Hz in 20 s."""
    times = np.arange(20 * 16000) / 16000
    file = io.BytesIO()
    soundfile.write(file, 0.3 * np.sin(2 * np.pi * (200 + 50 * times) * times), 16000, format="OGG")
    http_server.files["/good.ogg"] = file.getvalue()
    return http_server


def address(server) -> str:
    return server.address + "/{video}.ogg"


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
class TestVideos:
    def test_the_seconds_asked_for(self, videos, tmp_path):
        assert fetch_clips([VideoClip("a", "good", 5, 4)], tmp_path, address=address(videos)) == {}
        samples, rate = soundfile.read(tmp_path / "a.flac")
        assert (len(samples), rate) == (4 * 16000, 16000)
        spectrum = np.abs(np.fft.rfft(samples[:1600]))
        # of 200 t + 50 t^2 cycles: 200 + 100 t Hz
        assert np.argmax(spectrum) * 10 == pytest.approx(200 + 100 * 5.05, abs=20)
        videos.requests = []
        fetch_clips([VideoClip("a", "good", 5, 4)], tmp_path, address=address(videos))
        assert videos.requests == [], "what is there is not fetched again"

    def test_what_is_missing_is_reported_and_the_rest_goes_on(self, videos, tmp_path):
        clips = [VideoClip(name, name, 0, 1) for name in ("gone", "good")]
        missing = fetch_clips(clips, tmp_path, address=address(videos), pause=0.0)
        assert list(missing) == ["gone"]
        assert "404" in missing["gone"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["good.flac", "missing.tsv"]
        assert (tmp_path / "missing.tsv").read_text().startswith("gone\tgone\t")
        videos.requests = []
        fetch_clips(clips, tmp_path, address=address(videos), pause=0.0)
        assert videos.requests == [], "a video that is gone is not asked for again"

    def test_a_clip_that_breaks_off_is_not_taken_for_whole(self, videos, tmp_path):
        clip = VideoClip("a", "good", 12, 10)  # of 20 s
        missing = fetch_clips([clip], tmp_path, address=address(videos), pause=0.0)
        assert re.match(r"broken off: \d\.\d of 10.0 s arrived", missing["a"])
        assert not (tmp_path / "a.flac").exists()
        assert (tmp_path / "missing.tsv").read_text().startswith("a\tfailed\t")

    def test_turned_away_at_first(self, videos, tmp_path):
        videos.statuses = [503]
        clips = [VideoClip("good", "good", 0, 1)]
        assert fetch_clips(clips, tmp_path, address=address(videos), pause=0.0) == {}

    def test_turned_away_for_good_ends_the_run_and_the_next_goes_on(self, videos, tmp_path):
        videos.statuses = [429] * 100
        clips = [VideoClip(f"clip{n}", "good", n, 1) for n in range(5)]
        with pytest.raises(UserError, match="3 clips in a row .*429.* run the same command again"):
            fetch_clips(
                clips, tmp_path, address=address(videos), pause=0.0, attempts=1, give_up_after=3
            )
        assert "clip0\tfailed\t" in (tmp_path / "missing.tsv").read_text()
        videos.statuses = []
        assert fetch_clips(clips, tmp_path, address=address(videos), pause=0.0, jobs=2) == {}
        assert (tmp_path / "missing.tsv").read_text() == ""

    def test_audiocaps_is_fetched_and_prepared(self, videos, table, tmp_path):
        header = "audiocap_id,youtube_id,start_time,caption\n"
        for split, video in (("train", "good"), ("val", "good"), ("test", "good")):
            path = f"/cdjkim/audiocaps/master/dataset/{split}.csv"
            body = f"{header}1,{video},3,A tone rises\n2,rotten,0,Nothing\n"
            videos.files[path] = body.encode()
        entry = {"wav": "x/Ygood.wav", "caption_1": "A given caption", "source_lang_1": "eng_Latn"}
        given = json.dumps({"data": [entry]}).encode()
        change_row(table, "audiocaps_test_list", given, videos)
        missing = download_audiocaps(tmp_path / "audiocaps", address=address(videos))
        assert {split: list(names) for split, names in missing.items()} == {
            split: ["Yrotten_0"] for split in ("train", "val", "test")
        }
        assert (tmp_path / "audiocaps/test.json").read_bytes() == given
        sets = prepare_audiocaps(tmp_path / "audiocaps", tmp_path / "audiocaps", tmp_path / "data")
        assert list(sets["test"].wav_scp) == ["Ygood_3"]
        assert sets["test"].sources == {"Ygood_3": "youtube:good"}
        assert soundfile.info(sets["test"].wav_scp["Ygood_3"]).duration == pytest.approx(10)


@pytest.mark.parametrize(
    ("message", "state"),
    [
        ("[youtube] x: Video unavailable. This video is private", "gone"),
        ("[youtube] x: This video is not available in your country", "gone"),
        (
            "[youtube] x: Video unavailable. This content isn't available, try again later. The current "
            "session has been rate-limited by YouTube for up to an hour.",
            "failed",
        ),
        ("[youtube] x: Requested format is not available. Use --list-formats", "failed"),
        ("[youtube] x: The following content is not available on this app", "failed"),
        ("[youtube] x: Sign in to confirm you're not a bot", "failed"),
    ],
)
def test_only_what_stays_so_counts_as_gone(message, state, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise yt_dlp.utils.DownloadError(f"ERROR: {message}")

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", refuse)
    monkeypatch.setattr("espnet_mlclap.corpora.youtube._check_programs", lambda: None)
    fetch_clips([VideoClip("a", "x", 0, 1)], tmp_path, attempts=1)
    assert (tmp_path / "missing.tsv").read_text() == f"a\t{state}\t{message}\n"


@pytest.mark.parametrize(
    ("start", "duration", "state"), [(30, 30, "gone"), (25, 30, None), (24, 30, "failed")]
)
def test_the_length_of_a_video(start, duration, state, tmp_path):
    (tmp_path / "clip.flac").write_bytes(tone(440, 4.5, "FLAC"))
    problem = _too_short(tmp_path / "clip.flac", VideoClip("a", "x", start, 10), duration)
    assert problem == state or problem.state == state


def test_versions_of_audiocaps_are_kept_apart(http_server, table, monkeypatch, tmp_path):
    monkeypatch.setattr("espnet_mlclap.corpora.audiocaps.fetch_clips", lambda *_, **__: {})
    for folder, caption in (("dataset", "Old"), ("dataset2.0", "New")):
        body = f"audiocap_id,youtube_id,start_time,caption\n1,x,3,{caption}\n"
        http_server.files[f"/cdjkim/audiocaps/master/{folder}/val.csv"] = body.encode()
    for version in ("1", "2.0"):
        download_audiocaps(tmp_path, splits=["val"], version=version)
    assert "Old" in (tmp_path / "val.csv").read_text()
    assert "New" in (tmp_path / "captions_2.0/val.csv").read_text()


@pytest.fixture
def archive(tmp_path):
    """An archive of three recordings, below a folder of whoever packed it."""
    source = SOURCES["soundbible"]
    path = tmp_path / "source" / f"{source.folder}.zip"
    path.parent.mkdir()
    noise = np.random.default_rng(0).normal(0, 0.1, 60_000)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3):
            file = io.BytesIO()
            soundfile.write(file, noise[number:], 16000, format="FLAC")
            archive.writestr(f"mnt/{source.folder}/{number}.flac", file.getvalue())
    return path


def check_recordings(folder: Path) -> None:
    assert sorted(path.name for path in folder.glob("*.*c")) == ["0.flac", "1.flac", "2.flac"]
    assert soundfile.info(folder / "1.flac").frames == 59_999


@pytest.mark.skipif(not (shutil.which("zip") and shutil.which("7z")), reason="needs zip and 7z")
def test_split_archives_are_unpacked(archive, tmp_path):
    (tmp_path / "parts").mkdir()
    split = tmp_path / "parts" / archive.name
    subprocess.run(["zip", "-q", "-s", "64k", archive, "--out", split], check=True)
    assert split.with_suffix(".z01").exists()
    fetch.unpack_flat(split, tmp_path / "audio", unpack_split_zip)
    check_recordings(tmp_path / "audio")
    split.with_suffix(".z02").unlink()
    with pytest.raises(UserError, match="cannot be unpacked"):
        fetch.unpack_flat(split, tmp_path / "audio2", unpack_split_zip)
    assert not (tmp_path / "audio2").exists()


def test_wavcaps_is_fetched_from_the_hub_and_unpacked(http_server, archive, tmp_path):
    source = SOURCES["soundbible"]
    files = {
        f"Zip_files/{source.folder}/{archive.name}": archive.read_bytes(),
        "Zip_files/FreeSound/FreeSound.zip": b"not wanted",
        f"json_files/{source.folder}/{source.captions}": b'{"data": []}',
        f"json_files/{BLACKLIST}": b"{}",
    }
    for number, (name, body) in enumerate(files.items()):
        path = f"/datasets/{REPOSITORY}/resolve/{REVISION}/{name}"
        http_server.files[path], http_server.etags[path] = body, f'"{number}"'
    http_server.json[f"/api/datasets/{REPOSITORY}/revision/{REVISION}"] = {
        "id": REPOSITORY,
        "sha": REVISION,
        "siblings": [{"rfilename": path} for path in files],
    }
    http_server.headers = {"X-Repo-Commit": REVISION}

    out = tmp_path / "wavcaps"
    command = [sys.executable, "-m", "espnet_mlclap.bin.download_corpus", "wavcaps"]
    command += ["--out_dir", str(out), "--parts", "soundbible"]
    environment = {**os.environ, "HF_ENDPOINT": http_server.address, "HF_HUB_DISABLE_XET": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    check_recordings(out / "audio" / source.folder)
    assert not (out / "Zip_files" / source.folder).exists(), "the archives are gone"
    assert json.loads((out / "json_files" / source.folder / source.captions).read_text())
    assert not any("FreeSound" in path for path, _ in http_server.requests)

    http_server.shutdown()
    http_server.server_close()
    environment["HF_HUB_ETAG_TIMEOUT"] = "1"
    command[-1] = "bbc"
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode != 0
    assert "run the same command again" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_table_names_every_file_that_is_fetched():
    names = set(read_published(fetch.FILES))
    assert {
        f"clotho_{split}_audio" for split in ("development", "validation", "evaluation")
    } < names
    for row in read_published(fetch.FILES).values():
        assert row.licence
        assert Path(row.file).suffix in (".csv", ".json", ".jsonl", ".7z", ".zip")
