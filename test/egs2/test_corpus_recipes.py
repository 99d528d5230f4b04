"""The recipes for the paper's corpora and for own recordings, on real caption files and recordings."""

import csv
import json
import re
import shutil

import numpy as np
import soundfile

from espnet_mlclap.corpora import audiocaps, clotho
from espnet_mlclap.corpora.wavcaps import BLACKLIST, SOURCES

PORTUGUESE = {
    "chainsaw": "Uma motosserra ronca na floresta.",
    "clock_tick": "Um relógio faz tique-taque.",
    "crackling_fire": "O fogo crepita na lareira.",
    "crying_baby": "Um bebê está chorando.",
    "dog": "Um cão late.",
    "helicopter": "Um helicóptero passa voando.",
    "rain": "A chuva cai no telhado.",
    "rooster": "Um galo canta.",
    "sea_waves": "As ondas batem na praia.",
    "sneezing": "Alguém espirra.",
}


def record(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(len(str(path))).normal(0, 0.1, 8000), 16000)


def test_paper_corpora_from_caption_files(caption_files, material, copy_recipe, tmp_path):
    captions = caption_files
    audio = tmp_path / "audio"
    for split in audiocaps.SPLITS:
        for clip in audiocaps.read_clips(captions / f"audiocaps/{split}.csv")[:3]:
            record(audio / "audiocaps" / split / f"{clip.clip}.wav")
    known = audiocaps.read_clips(captions / "audiocaps/test.csv")[0].clip.rpartition("_")[0]
    for split in ("development", "evaluation"):
        for clip in clotho.read_clips(captions / f"clotho/clotho_captions_{split}.csv")[:3]:
            record(audio / "clotho" / split / f"{clip.stems[0]}.wav")
    for name, source in SOURCES.items():
        path = audio / "json_files" / source.folder / source.captions
        path.parent.mkdir(parents=True)
        ids = ["1", "2"] if name != "audioset" else ["Y12345678901.wav", f"{known}.wav"]
        path.write_text(json.dumps({"data": [{"id": key, "caption": "Rain."} for key in ids]}))
        for key in ids:
            record(audio / source.folder / f"{key.removesuffix('.wav')}.flac")
    (audio / "json_files" / BLACKLIST).parent.mkdir()
    (audio / "json_files" / BLACKLIST).write_text('{"FreeSound": ["2"]}')

    recipe = copy_recipe(tmp_path, "audiocaps_clotho", ["--ngpu", "0", "--nj", "1"])
    output, _ = recipe.start("--stop_stage", "1").communicate()
    assert "AUDIOCAPS_CAPTIONS is not set. Fill in db.sh" in output
    recipe.environment.update(
        AUDIOCAPS_CAPTIONS=str(captions / "audiocaps"),
        AUDIOCAPS_AUDIO=str(audio / "audiocaps"),
        CLOTHO_CAPTIONS=str(captions / "clotho"),
        CLOTHO_AUDIO=str(audio / "clotho"),
        WAVCAPS_CAPTIONS=str(audio / "json_files"),
        WAVCAPS_AUDIO=str(audio),
    )
    large = "wavcaps_audioset wavcaps_freesound audiocaps_train clotho_development"
    data = ["--train_sets", large, "--le_ratio", "0", "--langs", "eng_Latn fra_Latn"]
    data += ["--translation_encoder", "sonar_mini_encoder"]
    data += ["--translation_decoder", "sonar_mini_decoder"]
    recipe.finish(*data, "--stop_stage", "4")
    log = (recipe.folder / "exp/log/prepare.log").read_text()
    if material == "shared":
        assert "49838 clips with 49838 captions are named, as published for version 1" in log
        assert "957 clips with 4785 captions are named, as published for the test list" in log
        assert "1045 clips with 5225 captions are named, as published for all versions" in log
    else:
        assert "5 clips with 25 captions are named, which is not a published size" in log
    assert (
        recipe.folder / "data/wavcaps_audioset.excluded"
    ).read_text() == f"wavcaps_audioset_{known}\n"
    facts = json.loads((recipe.folder / "exp/stats/statistics.json").read_text())
    assert facts["sets"]["dump/flac/clotho_evaluation"]["captions_per_clip"] == [10, 10], (
        "the test captions are translated"
    )
    assert "sonar_mini_decoder" in (recipe.folder / "data/clotho_evaluation_le/README").read_text()
    assert facts["sets"]["dump/flac/wavcaps_freesound"]["clips"] == 1
    assert facts["sets"]["dump/flac/clotho_development"]["captions_per_clip"] == [5, 5]
    assert not any(pair["sources"] for pair in facts["leakage"] if "wavcaps" in pair["train"])


def test_own_recordings_in_a_language_of_ones_own(ten_sounds, copy_recipe, tmp_path):
    corpus = tmp_path / "Töne und mehr"
    for split, kept in (("train", 24), ("test", 8)):
        source = ten_sounds / split
        rows = list(csv.DictReader((source / "metadata.csv").open(encoding="utf-8", newline="")))
        names = list(dict.fromkeys(row["file_name"] for row in rows))
        names = [names[number * len(names) // kept] for number in range(kept)]  # of every label
        (corpus / split).mkdir(parents=True)
        with (corpus / split / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            captioned = set()
            for row in rows:
                if row["file_name"] in names and row["lang"] == "eng_Latn":
                    writer.writerow(row)
                    if row["file_name"] not in captioned:
                        text = PORTUGUESE[row["label"]]
                        writer.writerow({**row, "caption": text, "lang": "por_Latn"})
                        captioned.add(row["file_name"])
        for name in names:
            shutil.copy(source / name, corpus / split)
    options = ["--corpus", str(corpus), "--mlclap_tag", "t", "--nj", "1"]
    options += ["--langs", "por_Latn eng_Latn"]  # Portuguese is the source
    options += ["--mlclap_args", "--max_epoch 1 --num_workers 0"]
    recipe = copy_recipe(tmp_path, "audio_folder", options)
    output = recipe.finish()
    assert "zero-shot" in output.lower()
    scores = recipe.scores()["test"]
    assert scores["por_Latn"]["clips"] == scores["eng_Latn"]["clips"] == 8
    assert scores["source_lang"] == "por_Latn"
    rows = [line.split()[1] for line in output.splitlines() if re.match(r"\| \w{3}_\w{4} ", line)]
    assert rows[:2] == ["por_Latn", "eng_Latn"]
