"""Mean rank variance and the spread of R@1 against loops over captions and languages."""

import dataclasses

import numpy as np
import pytest

from espnet_mlclap.evaluation.consistency import language_consistency, same_captions
from espnet_mlclap.evaluation.embeddings import read_embeddings, write_embeddings
from espnet_mlclap.evaluation.metrics import retrieval_values
from espnet_mlclap.evaluation.scores import read_scores, score_set, write_scores
from espnet_mlclap.reports.tables import consistency_table, score_tables
from espnet_mlclap.utils.errors import UserError

LANGS = ("eng_Latn", "fra_Latn", "deu_Latn")


@pytest.fixture
def embeddings(make_embeddings, tmp_path):
    """20 clips with two captions each in three languages; the German of the first is missing."""
    whole = read_embeddings(make_embeddings(tmp_path / "set", 20, 2, LANGS, noise=1.5))
    sources = {
        key: key.replace(lang, "eng_Latn")
        for lang in LANGS[1:]
        for key in whole.captions
        if lang in key
    }
    keep = [row for row, key in enumerate(whole.captions) if key != "clip00-deu_Latn-1"]
    return dataclasses.replace(
        whole,
        text=whole.text[keep],
        captions=[whole.captions[row] for row in keep],
        caption_to_clip=whole.caption_to_clip[keep],
        langs=[whole.langs[row] for row in keep],
        caption_sources={
            key: source for key, source in sources.items() if key != "clip00-deu_Latn-1"
        },
    )


def rank(query, gallery, own):
    """Place of `own` when the gallery is sorted by cosine similarity, from 1."""
    similarity = [query @ one / np.linalg.norm(query) / np.linalg.norm(one) for one in gallery]
    return 1 + sum(value > similarity[own] for value in similarity)


def naive(embeddings):
    """MRV and R@1 by language and direction, of captions that are there in all three languages."""
    row_of = {key: row for row, key in enumerate(embeddings.captions)}
    groups = []
    for clip in range(20):
        for number in (1, 2):
            keys = [f"clip{clip:02d}-{lang}-{number}" for lang in LANGS]
            if all(key in row_of for key in keys):
                groups.append((clip, [row_of[key] for key in keys]))
    variances, recalls = [], {"t2a": [], "a2t": []}
    for clip, rows in groups:
        ranks = [rank(embeddings.text[row], embeddings.audio, clip) for row in rows]
        mean = sum(ranks) / 3
        variances.append(sum((one - mean) ** 2 for one in ranks) / 3)
    for place in range(3):
        rows = [rows[place] for _, rows in groups]
        owners = [clip for clip, _ in groups]
        hits = [
            rank(embeddings.text[row], embeddings.audio, clip) == 1
            for row, clip in zip(rows, owners)
        ]
        recalls["t2a"].append(100 * np.mean(hits))
        best = [
            owners[
                int(
                    np.argmax(
                        [
                            clip @ embeddings.text[row] / np.linalg.norm(embeddings.text[row])
                            for row in rows
                        ]
                    )
                )
            ]
            for clip in embeddings.audio
        ]
        recalls["a2t"].append(100 * np.mean([found == clip for clip, found in enumerate(best)]))
    return (
        np.mean(variances),
        {way: max(each) - min(each) for way, each in recalls.items()},
        len(groups),
    )


def test_equals_the_loops(embeddings):
    scores = score_set(embeddings, replicates=200)
    mrv, spread, captions = naive(embeddings)
    found = scores.consistency
    assert (found["languages"], found["captions"], captions) == (3, 39, 39)
    assert found["MRV"] == pytest.approx(mrv)
    assert found["spread"] == pytest.approx(spread)
    for name, value in (("MRV", mrv), *spread.items()):
        low, high = (
            found["intervals"][name] if name == "MRV" else found["intervals"]["spread"][name]
        )
        assert low < high
        assert low <= value <= high


def test_the_same_embedding_in_all_languages_is_consistent(embeddings):
    english = {key: row for row, key in enumerate(embeddings.captions)}
    rows = [english[source] for source in embeddings.sources]
    same = dataclasses.replace(embeddings, text=embeddings.text[rows])
    entry = score_set(same, replicates=50).consistency
    assert entry["MRV"] == entry["spread"]["t2a"] == entry["spread"]["a2t"] == 0
    assert entry["intervals"]["MRV"] == [0, 0]


def test_nothing_to_compare(embeddings):
    unknown = dataclasses.replace(embeddings, caption_sources={})
    assert score_set(unknown, replicates=0).consistency is None
    assert same_captions(unknown).shape == (0, 3)
    rows = embeddings.rows_of_language("eng_Latn")
    values = retrieval_values(
        embeddings.audio, embeddings.text[rows], embeddings.caption_to_clip[rows]
    )
    one = dataclasses.replace(
        embeddings,
        text=embeddings.text[rows],
        captions=[embeddings.captions[row] for row in rows],
        caption_to_clip=embeddings.caption_to_clip[rows],
        langs=["eng_Latn"] * len(rows),
        caption_sources={},
    )
    assert language_consistency(one, {"eng_Latn": values}) is None


def test_is_written_and_shown(embeddings, tmp_path):
    write_embeddings(tmp_path / "written", embeddings)
    again = read_embeddings(tmp_path / "written")
    assert again.caption_sources == embeddings.caption_sources
    scores = score_set(again, replicates=50)
    write_scores(tmp_path / "scores.json", {"test": scores})
    found = read_scores(tmp_path / "scores.json")["test"]
    assert found.consistency == scores.consistency
    assert list(found) == list(scores)
    shown = score_tables({"test": found})["test"][-1].text()
    assert shown == consistency_table(found).text()
    assert f"{scores.consistency['MRV']:.1f} [" in shown
    (tmp_path / "written" / "caption_sources").write_text("nobody clip00-eng_Latn-1\n")
    with pytest.raises(UserError, match="caption_sources:1: there is no caption 'nobody'"):
        read_embeddings(tmp_path / "written")
