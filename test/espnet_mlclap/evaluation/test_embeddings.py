"""Reading embeddings: what is read, and a clear message for each kind of broken file."""

import numpy as np
import pytest

from espnet_mlclap.evaluation.embeddings import read_embeddings, sort_languages
from espnet_mlclap.utils.errors import UserError


def test_rows_belong_to_their_clips(make_embeddings, tmp_path):
    embeddings = read_embeddings(make_embeddings(tmp_path / "test", clips=3, captions=2))
    assert embeddings.clips == ["clip00", "clip01", "clip02"]
    np.testing.assert_array_equal(embeddings.caption_to_clip, [0, 0, 1, 1, 2, 2] * 2)
    assert embeddings.languages == ["eng_Latn", "fra_Latn"]
    np.testing.assert_array_equal(embeddings.rows_of_language("fra_Latn"), range(6, 12))
    assert embeddings.captions[7] == "clip00-fra_Latn-2"


def test_half_precision_is_read_as_float32(make_embeddings, tmp_path):
    folder = make_embeddings(tmp_path / "test")
    path = folder / "audio_embeddings.npy"
    np.save(path, np.load(path).astype(np.float16))
    assert read_embeddings(folder).audio.dtype == np.float32


def test_order_of_languages():
    codes = {"zho_Hans", "por_Latn", "eng_Latn", "arb_Arab", "fra_Latn"}
    assert sort_languages(codes) == ["eng_Latn", "fra_Latn", "zho_Hans", "arb_Arab", "por_Latn"]


def spoil_matrix(name, change):
    def spoil(folder):
        np.save(folder / name, change(np.load(folder / name)))

    return spoil


def spoil_lines(name, change):
    def spoil(folder):
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join(change(lines)) + "\n")

    return spoil


def with_nan(matrix):
    matrix[5, 3] = np.nan
    return matrix


BROKEN = {
    "no folder": (lambda folder: folder.rename(folder.parent / "gone"), "no such folder"),
    "no audio": (
        lambda f: (f / "audio_embeddings.npy").unlink(),
        "audio_embeddings.npy: cannot be",
    ),
    "not numpy": (
        lambda f: (f / "text_embeddings.npy").write_text("hello"),
        "text_embeddings.npy: cannot be read as a numpy array",
    ),
    "cut off": (
        lambda f: (f / "text_embeddings.npy").write_bytes(
            (f / "text_embeddings.npy").read_bytes()[:900]
        ),
        "text_embeddings.npy: cannot be read as a numpy array",
    ),
    "vector": (spoil_matrix("text_embeddings.npy", np.ravel), "must be a matrix"),
    "integers": (
        spoil_matrix("text_embeddings.npy", lambda m: m.astype(int)),
        "floating-point numbers, not int64",
    ),
    "nan": (
        spoil_matrix("audio_embeddings.npy", with_nan),
        r"audio_embeddings.npy: 1 of 12 rows hold NaN or infinity \(the first is row 5",
    ),
    "widths": (
        spoil_matrix("text_embeddings.npy", lambda m: m[:, :8]),
        "clips have 16 values and captions 8",
    ),
    "fewer captions": (
        spoil_matrix("text_embeddings.npy", lambda m: m[1:]),
        "caption_ids: 48 lines for 47 embeddings",
    ),
    "fewer clip ids": (
        spoil_lines("clip_ids", lambda lines: lines[1:]),
        "clip_ids: 11 lines for 12",
    ),
    "clip twice": (
        spoil_lines("clip_ids", lambda lines: [*lines[:11], "clip03"]),
        "clip_ids:12: the clip id 'clip03' is also in line 4",
    ),
    "two fields": (
        spoil_lines("caption_ids", lambda lines: ["a clip00", *lines[1:]]),
        "caption_ids:1: must read `<caption id> <clip id> <language>`",
    ),
    "unknown clip": (
        spoil_lines("caption_ids", lambda lines: [*lines[:2], "x clip77 eng_Latn", *lines[3:]]),
        "caption_ids:3: the clip 'clip77' is not in",
    ),
    "not UTF-8": (
        lambda f: (f / "clip_ids").write_bytes(b"\xff\xfe\n"),
        "clip_ids:1: not UTF-8",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_sets(case, make_embeddings, tmp_path):
    spoil, message = BROKEN[case]
    folder = make_embeddings(tmp_path / "test")
    spoil(folder)
    with pytest.raises(UserError, match=message):
        read_embeddings(folder)
