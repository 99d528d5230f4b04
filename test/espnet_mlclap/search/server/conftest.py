"""A library of tones, and a model that knows them by number: "tone 3" is 3 times 100 Hz, in any language."""

import re
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import uvicorn

from espnet_mlclap.search.library import Library
from espnet_mlclap.search.question import encode_windows
from espnet_mlclap.search.server.app import create_app
from espnet_mlclap.search.server.service import Service
from espnet_mlclap.search.server.settings import Settings
from espnet_mlclap.search.update import update_library
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import PAPER_LANGUAGES

RATE = 8000
KINDS = 8
HOSTILE = "<img src=x onerror=document.title='taken'>.wav"
QUOTES = "\"'`&amp;${7*7}{{7*7}}.wav"


class Tones:
    """Stands for a trained model."""

    embed_size = KINDS
    languages = [*PAPER_LANGUAGES, "por_Latn"]
    trained_languages = list(PAPER_LANGUAGES)

    def encode_text(self, captions, lang):
        for one in {*lang} - {*self.languages}:
            raise UserError(f"{one}: unknown")
        rows = np.full((len(captions), KINDS), 0.01, np.float32)
        for row, caption in zip(rows, captions):
            if caption == "crash":
                raise RuntimeError("a secret: /etc/passwd")
            for number in re.findall(r"\d", caption):
                row[int(number) - 1] = 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def encode_audio(self, audio, *, show_progress):
        return np.stack([spectrum(clip["array"], clip["sampling_rate"]) for clip in audio])


def spectrum(samples, rate):
    seconds = np.arange(len(samples)) / rate
    hertz = 100 * np.arange(1, KINDS + 1)
    strength = [abs((samples * np.exp(-2j * np.pi * one * seconds)).mean()) for one in hertz]
    return (np.array(strength) / np.linalg.norm(strength)).astype(np.float32)


def tone(path, kind, seconds=3.0, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(kind).normal(0, 0.003, (len(times), channels))
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 100 * kind * times)[:, None] + noise, RATE)


def fill(folder):
    """Tones 1 to 4, six times tone 7, two with hostile names; and tone 6 from 30 s to 40 s of another."""
    for kind in range(1, 5):
        tone(folder / f"tone{kind}.wav", kind)
    for number in range(6):
        tone(folder / f"sevens/{number}.wav", 7, seconds=1 + number / 4)
    tone(folder / HOSTILE, 5)
    tone(folder / "sub" / QUOTES, 5, seconds=4)
    parts = [
        np.sin(2 * np.pi * 100 * k * np.arange(n * RATE) / RATE)
        for k, n in ((8, 30), (6, 10), (8, 20))
    ]
    soundfile.write(folder / "sub/long.flac", 0.5 * np.concatenate(parts), RATE)


@pytest.fixture
def material(tmp_path):
    """`folder` of recordings, `service` for its library, and functions `serve` and `tone`.

    `serve(name=value, ...)` starts a server with these settings on this machine and gives its address.
    """
    folder = tmp_path / "audio"
    fill(folder)
    model = Tones()
    library = Library(tmp_path / "library", fingerprint="tones", size=KINDS)
    update_library(library, [folder], lambda w: encode_windows(model, w), tags=["field"])
    service = Service(model, library)
    running = []

    def serve(**settings):
        app = create_app(lambda: service, Settings(**settings))
        config = uvicorn.Config(app, port=0, log_level="error", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    yield SimpleNamespace(
        folder=folder, service=service, serve=serve, tone=tone, hostile=(HOSTILE, QUOTES)
    )
    for server, thread in running:
        server.should_exit = True
        thread.join()
