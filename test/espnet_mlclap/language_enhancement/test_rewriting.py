"""Paraphrases: the chat client, the journal and the checks of translation, in the originals' own language."""

import pytest

from espnet_mlclap.bin.translate import main
from espnet_mlclap.fileio.data_dir import read_captions, read_table
from espnet_mlclap.language_enhancement.captions import Task
from espnet_mlclap.language_enhancement.config import read_settings
from espnet_mlclap.language_enhancement.quality import check_translations

pytest.importorskip("openai")


@pytest.fixture
def data_dir(make_data_dir):
    """Eight clips with two English captions each; one caption is a single word."""
    rows = [
        (f"clip{c}-eng_Latn-{n}", f"clip{c}", "eng_Latn", f"a {what} sings while {c} dogs bark")
        for c in range(8)
        for n, what in enumerate(("bird", "child"), 1)
    ]
    rows[0] = (*rows[0][:3], "Thunder.")
    return make_data_dir([*rows, ("clip0-fra_Latn-1", "clip0", "fra_Latn", "la pluie")])


@pytest.fixture
def run(chat_server, data_dir, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        f"captions_per_clip: all\nchat: {{base_url: '{chat_server.url}', batch_size: 4}}\n"
    )

    def run(name, *options, translator="chat"):
        main(
            ["--data_dir", str(data_dir), "--out_dir", str(tmp_path / name), "--config", str(mine),
             "--rewrite", "true", "--translator", translator, *options]
        )  # fmt: skip
        return tmp_path / name

    return run


def test_each_caption_is_said_in_other_words(run, chat_server, data_dir):
    out = run("paraphrased")
    originals, found = read_captions(data_dir), read_captions(out)
    sources = read_table(out / "utt2source")
    assert not set(originals) & set(found)
    assert set(sources.values()) == {
        key for key, caption in originals.items() if caption.lang == "eng_Latn"
    } - {"clip0-eng_Latn-1"}  # a single word, which came back as it was
    for key, caption in found.items():
        original = originals[sources[key]]
        assert (caption.lang, caption.clip) == ("eng_Latn", original.clip)
        assert caption.text == chat_server.paraphrase(original.text)
    assert "a paraphrase of the very words of its source" in (out / "quality.md").read_text()
    assert "paraphrases were not proofread" in (out / "README").read_text()
    asked = len(chat_server.requests)
    run("paraphrased")  # from the journal
    assert len(chat_server.requests) == asked


def test_given_paraphrases(run, data_dir, make_data_dir, capsys):
    rows = [("p1", "clip1", "eng_Latn", "Something else."), ("p2", "clip1", "fra_Latn", "Non")]
    given = make_data_dir(rows, "given")
    out = run("given_out", "--given_dir", str(given), translator="file")
    (caption,) = read_captions(out).values()
    assert caption.text == "Something else."
    with pytest.raises(SystemExit):
        run("x", translator="sonar")
    assert "sonar only translates; paraphrases come from file, chat" in capsys.readouterr().err


def test_shared_words_are_no_fault_of_a_paraphrase(data_dir):
    originals = read_captions(data_dir)
    source = originals["clip1-eng_Latn-1"]
    task = Task("x", "clip1-eng_Latn-1", source, "eng_Latn")
    words = source.text.split()
    pairs = [(task, " ".join(words[::-1])), (task, source.text.upper() + "!")]
    first, second = check_translations(pairs, read_settings().quality)
    assert first.problems == ()
    assert second.problems == ("same",)
