"""Measure the small SONAR as a user loads it: by asset name, on captions it has not seen."""

from typing import Any

import numpy as np
from sacrebleu.metrics import CHRF
from sonar.inference_pipelines.text import (
    TextToEmbeddingModelPipeline,
    TextToTextModelPipeline,
)

from espnet_mlclap.utils.progress import progress
from small_sonar.sentences import sample_sentences

SOURCE = "eng_Latn"


def measure(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Translate unseen English captions to each language, and look for translations by embedding.

    Args:
        name: the assets are `<name>_encoder` and `<name>_decoder`.
        settings: the part `measure` of the configuration.

    Returns:
        By language: chrF (sacrebleu), per cent of exact translations, and per cent of sentences whose
        English embedding is nearest (cosine) to that of the translation.
    """
    unseen = sample_sentences(
        settings["sentences"],
        "test",
        settings["event_weights"],
        settings["mark_probability"],
        settings["seed"],
    )
    encoder, decoder = f"{name}_encoder", f"{name}_decoder"
    translator = TextToTextModelPipeline(encoder=encoder, decoder=decoder, tokenizer=encoder)
    embedder = TextToEmbeddingModelPipeline(encoder=encoder, tokenizer=encoder)
    english = [one.captions[SOURCE] for one in unseen]
    size = settings["batch_size"]

    def embed(captions: list[str], lang: str) -> np.ndarray:
        vectors = embedder.predict(captions, source_lang=lang, batch_size=size).numpy()
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    english_vectors = embed(english, SOURCE)
    results = {}
    langs = [lang for lang in unseen[0].captions if lang != SOURCE]
    for lang in progress(langs, "measuring the small SONAR", unit="languages"):
        wanted = [one.captions[lang] for one in unseen]
        found = translator.predict(
            english, SOURCE, lang, batch_size=size, beam_size=settings["beam_size"]
        )
        nearest = np.argmax(embed(wanted, lang) @ english_vectors.T, axis=1)
        results[lang] = {
            "chrF": CHRF().corpus_score(found, [wanted]).score,
            "exact": 100 * float(np.mean([f == w for f, w in zip(found, wanted)])),
            "nearest": 100 * float(np.mean(nearest == np.arange(len(wanted)))),
        }
    return results


def table(results: dict[str, Any]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| language | chrF | exact, % | nearest English is the right one, % |",
        "| --- | --- | --- | --- |",
    ]
    for lang, one in results.items():
        lines.append(f"| {lang} | {one['chrF']:.1f} | {one['exact']:.1f} | {one['nearest']:.1f} |")
    return "\n".join(lines)
