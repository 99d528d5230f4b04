import pytest

from espnet_mlclap.language_enhancement.journal import Journal
from espnet_mlclap.utils.errors import UserError

ME = {"translator": "test", "model": "a"}


def fill(path, identity=ME):
    with Journal(path, identity) as journal:
        journal.write("eng_Latn", "fra_Latn", ["a dog", "rain"], ["un chien", "la pluie"])
        journal.write("eng_Latn", "zho_Hans", ["a dog"], ["一只狗"])


def read(path, identity=ME):
    with Journal(path, identity) as journal:
        return journal.read()


def test_what_was_written_is_read_again(tmp_path):
    fill(tmp_path / "deep" / "j")
    assert read(tmp_path / "deep" / "j") == {
        ("eng_Latn", "fra_Latn", "a dog"): "un chien",
        ("eng_Latn", "fra_Latn", "rain"): "la pluie",
        ("eng_Latn", "zho_Hans", "a dog"): "一只狗",
    }


def test_a_sentence_without_translation_is_not_kept(tmp_path):
    with Journal(tmp_path / "j", ME) as journal:
        journal.write("eng_Latn", "fra_Latn", ["a dog", "rain"], ["", "la pluie"])
        journal.write("eng_Latn", "fra_Latn", ["wind"], [""])
    assert read(tmp_path / "j") == {("eng_Latn", "fra_Latn", "rain"): "la pluie"}
    assert (tmp_path / "j").read_bytes().count(b"\n") == 1


def test_lines_of_other_settings_are_left_alone(tmp_path):
    fill(tmp_path / "j")
    assert read(tmp_path / "j", {**ME, "model": "b"}) == {}
    assert len(read(tmp_path / "j")) == 3


def test_a_line_cut_off_anywhere_is_left_out_and_written_over(tmp_path):
    path = tmp_path / "j"
    fill(path)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        with Journal(path, ME) as journal:
            known = journal.read()
            assert len(known) == (3 if length == len(whole) - 1 else 2)  # only its line end is lost
            journal.write("eng_Latn", "zho_Hans", ["rain"], ["雨"])
        assert read(path) == {**known, ("eng_Latn", "zho_Hans", "rain"): "雨"}


def test_a_damaged_line_costs_only_itself(tmp_path):
    path = tmp_path / "j"
    fill(path)
    path.write_bytes(path.read_bytes().replace(b"un chien", b"un xhien", 1))
    assert list(read(path)) == [("eng_Latn", "zho_Hans", "a dog")]


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "j").mkdir()
    with pytest.raises(UserError, match="j: cannot be written"):
        Journal(tmp_path / "j", ME)
