"""The command as a whole, against a chat server (which needs no model)."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from espnet_mlclap.bin.translate import main
from espnet_mlclap.fileio.data_dir import read_captions
from espnet_mlclap.language_enhancement.config import read_settings
from espnet_mlclap.language_enhancement.enhance import _device_of, _Factory

pytest.importorskip("openai")


@pytest.fixture
def data_dir(make_data_dir, sentences):
    """20 clips with three English captions each (every fifth text is common), one French one."""
    rows = [
        (f"clip{c}-eng_Latn-{n}", f"clip{c}", "eng_Latn", "rain falls" if n == 3 else text)
        for c in range(20)
        for n, text in enumerate(sentences(3, seed=c), 1)
    ]
    return make_data_dir([*rows, ("clip0-fra_Latn-1", "clip0", "fra_Latn", "la pluie")])


@pytest.fixture
def run(chat_server, data_dir, tmp_path):
    """Runs the command with the chat server; gives the directory it wrote."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        f"chat: {{base_url: '{chat_server.url}', batch_size: 4, max_retries: 1}}\n"
        "quality: {min_script: null, max_copied_words: null}\n"
    )

    def command(out_dir, *options, langs="eng_Latn fra_Latn deu_Latn"):
        return [
            "--data_dir", str(data_dir), "--out_dir", str(out_dir), "--langs", langs,
            "--translator", "chat", "--config", str(mine), *options,
        ]  # fmt: skip

    def run(name, *options, **changes):
        main(command(tmp_path / name, *options, **changes))
        return tmp_path / name

    run.command = command
    return run


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_what_is_written(run, data_dir, chat_server):
    out = run("train_le")
    originals, made = read_captions(data_dir), read_captions(out)
    sources = dict(line.split() for line in (out / "utt2source").read_text().splitlines())
    assert len(made) == 40
    assert not set(made) & set(originals)
    for key, caption in made.items():
        source = originals[sources[key]]
        assert caption.clip == source.clip
        assert caption.text == chat_server.translation(source.text, caption.lang)
    readme = (out / "README").read_text()
    assert "gpt" in readme
    assert "not proofread" in readme
    report = json.loads((out / "quality.json").read_text())
    assert {lang: entry["kept"] for lang, entry in report["languages"].items()} == {
        "fra_Latn": 20, "deu_Latn": 20,
    }  # fmt: skip
    given = [text for texts, _ in chat_server.requests for text in texts]
    assert given.count("rain falls") == 2  # once for each language
    assert len(given) == len({(c.text, c.lang) for c in made.values()})


def test_all_captions_in_several_processes_equal_one_process(run):
    alone = run("alone", "--captions_per_clip", "all")
    together = run("together", "--captions_per_clip", "all", "--nj", "2")
    assert contents(alone) == contents(together)
    assert len(read_captions(alone)) == 120


def test_killed_and_started_again_it_goes_on_where_it_was(run, chat_server, tmp_path):
    whole = run("whole", "--captions_per_clip", "all")
    requests = [texts for texts, _ in chat_server.requests]
    chat_server.requests.clear()
    chat_server.delay = 0.1
    command = run.command(tmp_path / "killed", "--captions_per_clip", "all")
    process = subprocess.Popen([sys.executable, "-m", "espnet_mlclap.bin.translate", *command])
    deadline = time.monotonic() + 60
    while len(chat_server.requests) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed").exists()
    before = [texts for texts, _ in chat_server.requests]
    assert 6 <= len(before) < len(requests)
    chat_server.delay = 0.0
    chat_server.requests.clear()
    killed = run("killed", "--captions_per_clip", "all")
    after = [texts for texts, _ in chat_server.requests]
    # at most the batch that was under way is asked for twice
    assert len(before) + len(after) - len(requests) in (0, 1)
    assert before[:6] + after[-(len(requests) - 6) :] == requests or after[0] == before[-1]
    assert contents(killed) == contents(whole)


def test_a_second_run_asks_for_nothing(run, chat_server):
    first = contents(run("le"))
    chat_server.requests.clear()
    assert contents(run("le")) == first
    run("le", langs="fra_Latn deu_Latn")
    assert chat_server.requests == []


def test_two_sets_in_one_call(run, chat_server, data_dir, make_data_dir, tmp_path):
    more = make_data_dir([("x-eng_Latn-1", "x", "eng_Latn", "rain falls")], "more")
    command = run.command(tmp_path / "one", "--captions_per_clip", "all", langs="fra_Latn")
    command[1:2] = [str(data_dir), str(more)]
    command[command.index("--out_dir") + 1 : command.index("--langs")] = [
        str(tmp_path / "one"), str(tmp_path / "two"),
    ]  # fmt: skip
    main(command)
    assert read_captions(tmp_path / "two")["x-fra_Latn-1"].text == "fra niaro sllafo"
    given = [text for texts, _ in chat_server.requests for text in texts]
    assert given.count("rain falls") == 1


def test_given_translations_and_references(data_dir, tmp_path, make_data_dir):
    rows = [
        (f"clip{c}-fra_Latn-2", f"clip{c}", "fra_Latn", f"un chien aboie {c}") for c in range(20)
    ]
    given = make_data_dir(rows, "given")
    (given / "README").write_text("By A. Translator.\n\nChecked twice.\n")
    main([
        "--data_dir", str(data_dir), "--out_dir", str(tmp_path / "le"), "--langs", "fra_Latn",
        "--translator", "file", "--given_dir", str(given), "--reference_dir", str(given),
        "--captions_per_clip", "all",
    ])  # fmt: skip
    assert {key: caption.text for key, caption in read_captions(tmp_path / "le").items()} == {
        row[0]: row[3] for row in rows
    }
    report = json.loads((tmp_path / "le" / "quality.json").read_text())
    assert report["languages"]["fra_Latn"]["chrF"] == 100.0
    readme = (tmp_path / "le" / "README").read_text()
    assert f"Given in {given}" in readme
    assert "> By A. Translator.\n>\n> Checked twice.\n" in readme
    assert "proofread" not in readme


def test_bad_translations_are_left_out_and_counted(run, chat_server, tmp_path, caplog):
    chat_server.translation = lambda text, lang: (
        "Собака лает, пока дождь стучит" if text == "rain falls" else f"{lang} {text[::-1]}"
    )
    (tmp_path / "mine.yaml").write_text(
        (tmp_path / "mine.yaml").read_text().replace("min_script: null", "min_script: 0.5")
    )
    out = run("le", "--captions_per_clip", "all", langs="fra_Latn")
    assert len(read_captions(out)) == 40
    report = json.loads((out / "quality.json").read_text())
    assert report["languages"]["fra_Latn"]["problems"]["script"] == 20
    assert len(report["left_out"]) == 20
    assert "left out" not in caplog.text
    chat_server.translation = lambda text, lang: "Un chien aboie" if text[0] == "a" else "Собака"
    run("half", langs="cat_Latn")
    assert re.search(r"half: 1\d of 20 translations into cat_Latn are left out, most often as 'script'",
                     caplog.text)  # fmt: skip
    chat_server.translation = lambda text, lang: "Собака лает"
    with pytest.raises(SystemExit):
        run("none", langs="deu_Latn")
    assert not (tmp_path / "none").exists()


def test_of_a_test_set_all_captions_that_lack_are_translated_and_kept(run, chat_server, tmp_path):
    chat_server.translation = lambda text, lang: "Собака лает"
    (tmp_path / "mine.yaml").write_text(
        (tmp_path / "mine.yaml").read_text().replace("min_script: null", "min_script: 0.5")
    )
    out = run("le", "--test_set", "true", langs="fra_Latn deu_Latn")
    made = read_captions(out).values()
    assert {"clip0"} == {f"clip{n}" for n in range(20)} - {c.clip for c in made if c.lang[0] == "f"}
    assert len(made) == 19 * 3 + 20 * 3
    assert "| fra_Latn | 57 | 57 | 57 |" in re.sub(" +", " ", (out / "quality.md").read_text())


def test_a_test_set_that_lacks_nothing_gives_an_empty_folder(
    run, chat_server, data_dir, monkeypatch
):
    for name, column in (("text", "la pluie"), ("utt2clip", "clip{}"), ("utt2lang", "fra_Latn")):
        with open(data_dir / name, "a") as file:
            file.writelines(f"clip{c}-fra_Latn-1 {column.format(c)}\n" for c in range(1, 20))
    monkeypatch.delenv("OPENAI_API_KEY")  # nobody is asked
    out = run("le", "--test_set", "true", langs="fra_Latn")
    for name in ("text", "utt2clip", "utt2lang", "utt2source"):
        assert (out / name).read_bytes() == b""
    assert "Nothing was left to translate." in re.sub(" +", " ", (out / "quality.md").read_text())
    assert chat_server.requests == []


def test_an_encoder_gives_other_translators_the_cosine(run, tiny_sonar, caplog):
    without = json.loads((run("without", langs="fra_Latn") / "quality.json").read_text())
    assert "cosine" not in without["languages"]["fra_Latn"]
    assert "the translator chat has no SONAR encoder. --encoder" in caplog.text
    out = run("with", "--encoder", tiny_sonar[0], langs="fra_Latn")
    report = json.loads((out / "quality.json").read_text())
    assert -1 <= report["languages"]["fra_Latn"]["cosine"]["mean"] <= 1


def test_processes_and_their_devices(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    for name, device, expected in (
        ("sonar", "cpu", 8), ("sonar", "cuda", 3), ("huggingface", "cuda:1", 1), ("chat", "cuda", 8),
    ):  # fmt: skip
        assert _Factory(name, read_settings(), device).processes(8) == expected
    assert _Factory("sonar", read_settings(), "cuda").processes(2) == 2
    assert [_device_of(process, "cuda") for process in range(3)] == ["cuda", "cuda:1", "cuda:2"]


def test_with_sonar_the_cosine_is_reported(tiny_sonar, tmp_path, make_data_dir, sentences):
    rows = [
        (f"clip{n}-eng_Latn-1", f"clip{n}", "eng_Latn", text)
        for n, text in enumerate(sentences(12))
    ]
    data_dir = make_data_dir(rows)
    mine = tmp_path / "mine.yaml"
    mine.write_text("sonar: {beam_size: 1, max_tokens: 9}\nquality: {filter: false}\n")
    encoder, decoder = tiny_sonar
    for _ in range(2):  # the second time everything is in the journal
        main([
            "--data_dir", str(data_dir), "--out_dir", str(tmp_path / "le"),
            "--langs", "fra_Latn zho_Hans", "--encoder", encoder, "--decoder", decoder,
            "--config", str(mine),
        ])  # fmt: skip
        report = json.loads((tmp_path / "le" / "quality.json").read_text())
        assert all(-1 <= entry["cosine"]["mean"] <= 1 for entry in report["languages"].values())
    assert report["made_by"].startswith('Made by the translator `sonar` (encoder "tiny_encoder"')


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--langs", "fra_Latin"], "--langs: unknown language code 'fra_Latin'"),
        (["--langs", ""], "--langs names no language"),
        (["--source_lang", "en"], "--source_lang: unknown language code 'en'"),
        (["--source_lang", "jpn_Jpan"], "no caption is in jpn_Jpan"),
        (
            ["--translator", "google"],
            "translator: there is no 'google'; choose one of sonar, huggingface, chat, or",
        ),
        (["--translator", "file"], "--given_dir goes with --translator file"),
        (["--given_dir", "x"], "--given_dir goes with --translator file"),
        (["--out_dir", "a", "b"], "1 --data_dir but 2 --out_dir"),
        (["--data_dir", "nowhere"], "nowhere/text: cannot be read"),
        (["--reference_dir", "nowhere"], "nowhere/text: cannot be read"),
        (["--nj", "0"], "--nj must be 1 or more"),
        (["--captions_per_clip", "2"], "captions_per_clip must be one or all"),
    ],
)
def test_mistakes_are_one_line(run, tmp_path, capsys, options, message):
    with pytest.raises(SystemExit) as ended:
        main([*run.command(tmp_path / "le"), *options])
    assert ended.value.code == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("mlclap translate: error: ")
    assert message in error
    assert not (tmp_path / "le").exists()


def test_an_out_dir_that_is_the_data_dir_is_refused(run, data_dir, capsys):
    before = contents(data_dir)
    with pytest.raises(SystemExit):
        main(run.command(data_dir))
    assert "is the data directory itself" in capsys.readouterr().err
    assert contents(data_dir) == before


def test_help_is_there_at_once():
    start = time.monotonic()
    text = subprocess.run(
        [sys.executable, "-m", "espnet_mlclap.bin.translate", "--help"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "--translator" in text
    assert time.monotonic() - start < 3
