"""The small SONAR of the mini recipe: found by name, small, and as good as it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mini_corpus.config import load_config
from mini_corpus.grammar import LANGUAGES, STYLES, caption
from mini_corpus.scenes import sample_scene

RECIPE = Path(__file__).resolve().parents[3] / "egs2/mini/mlclap1"
FOLDER = RECIPE / "sonar_assets"
CORPUS = RECIPE / "conf/corpus.yaml"
ENCODER, DECODER = "sonar_mini_encoder", "sonar_mini_decoder"
ENGLISH = "eng_Latn"
SENTENCES = 40


@pytest.fixture(scope="module")
def unseen():
    """Captions of scenes of the test part, which the training never saw: by language."""
    rng = np.random.default_rng(7)
    scenes = load_config(CORPUS).scenes
    drawn = [
        sample_scene(rng, "test", scenes.event_weights, scenes.mark_probability)
        for _ in range(SENTENCES)
    ]
    return {
        lang: [caption(scene, lang, number % STYLES) for number, scene in enumerate(drawn)]
        for lang in LANGUAGES
    }


@pytest.fixture(scope="module")
def translator():
    text = pytest.importorskip("sonar.inference_pipelines.text", reason="fairseq2 is not installed")
    return text.TextToTextModelPipeline(encoder=ENCODER, decoder=DECODER, tokenizer=ENCODER)


def test_path_sh_names_the_folder_of_the_cards_and_python_reads_them_by_name():
    program = "from espnet_mlclap.checkpoints.sonar_assets import read_asset as read\n"
    program += f"print(read({ENCODER!r}).checkpoint, read({DECODER!r}).tokenizer)"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FAIRSEQ2")}
    found = subprocess.run(
        ["bash", "-c", '. ./path.sh && exec "$0" -c "$1"', sys.executable, program],
        cwd=RECIPE, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = [FOLDER / f"{ENCODER}.pt", FOLDER / "sonar_mini_sentencepiece.model"]
    assert found.stdout.split() == [str(path) for path in files]


def test_all_files_together_are_small():
    files = [path for path in FOLDER.iterdir() if path.name.startswith("sonar_mini")]
    assert len(files) == 5
    assert sum(path.stat().st_size for path in files) <= 4_000_000


@pytest.mark.parametrize("lang", [lang for lang in LANGUAGES if lang != ENGLISH])
def test_translations_of_unseen_captions(translator, unseen, lang):
    chrf = pytest.importorskip("sacrebleu").CHRF()
    found = translator.predict(unseen[ENGLISH], ENGLISH, lang, batch_size=SENTENCES, beam_size=1)
    assert chrf.corpus_score(found, [unseen[lang]]).score >= 93


def test_tokenizer_knows_every_character(unseen):
    sentencepiece = pytest.importorskip("sentencepiece")
    model = sentencepiece.SentencePieceProcessor(str(FOLDER / "sonar_mini_sentencepiece.model"))
    rng = np.random.default_rng(8)
    for _ in range(600):
        scene = sample_scene(rng, "test", (0.3, 0.3, 0.4), 0.5)
        for lang in LANGUAGES:
            for style in range(STYLES):
                text = caption(scene, lang, style)
                ids = model.encode(text)
                assert model.unk_id() not in ids, text
                assert model.decode(ids) == text


def test_embeddings_of_translations_are_near(unseen):
    text = pytest.importorskip("sonar.inference_pipelines.text", reason="fairseq2 is not installed")
    embedder = text.TextToEmbeddingModelPipeline(encoder=ENCODER, tokenizer=ENCODER)
    vectors = {}
    for lang, captions in unseen.items():
        one = embedder.predict(captions, source_lang=lang, batch_size=SENTENCES).numpy()
        assert one.shape == (SENTENCES, 160)
        vectors[lang] = one / np.linalg.norm(one, axis=1, keepdims=True)
    for lang in LANGUAGES:
        nearest = np.argmax(vectors[lang] @ vectors[ENGLISH].T, axis=1)
        assert np.mean(nearest == np.arange(SENTENCES)) >= 0.9, lang


def test_readme_was_written_by_the_script_and_claims_enough():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "MEASURED" in text
    rows = dict(re.findall(r"^\| (\w{3}_\w{4}) \| ([\d.]+) \|", text, flags=re.MULTILINE))
    assert set(rows) == set(LANGUAGES) - {ENGLISH}
    assert min(float(score) for score in rows.values()) >= 93
