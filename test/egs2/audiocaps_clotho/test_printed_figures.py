"""The figures of the ML-CLAP paper are those that it prints."""

import shlex
from pathlib import Path

import pytest

from espnet_mlclap.bin import run_experiments
from espnet_mlclap.experiments.printed import Column, read_printed_figures

RECIPE = Path(__file__).resolve().parents[3] / "egs2/audiocaps_clotho/mlclap1"


@pytest.fixture(scope="module")
def printed():
    return read_printed_figures(RECIPE / "conf/papers/ml_clap.yaml")


def test_every_row_stands_in_the_paper(printed, shared_dir):
    """A row of the paper's text: label, numbers of AudioCaps, numbers of Clotho, tabs between."""
    text = (shared_dir / "seeds/ml-clap-paper.txt").read_text(encoding="utf-8")
    for table in printed.tables.values():
        for name in table.rows.values():
            numbers = table.printed(name, "AudioCaps") + table.printed(name, "Clotho")
            cells = ["-" if number is None else f"{number:.1f}" for number in numbers]
            assert "\t" + "\t".join(cells) in text, name


def test_tables_have_the_papers_rows_and_columns(printed):
    assert printed.names == ["1", "2", "3", "4", "figure2"]
    assert [len(table.rows) for table in printed.tables.values()] == [2, 9, 19, 5]
    table = printed.tables["2"]
    column = table.columns.index(Column("t2a", "mAP@10"))
    assert table.printed("cat", "AudioCaps")[column] == 58.4
    assert printed.tables["4"].rows["10 %"] == table.rows["mixture"]
    assert dict(printed.rows("figure2")) == {"baseline": "baseline", "proposed": "mixture"}


def test_estimated_correspondences(shared_dir):
    """Primus et al.: mAP@10, R@1, R@5 and R@10 on Clotho."""
    printed = read_printed_figures(RECIPE / "conf/papers/correspondences.yaml")
    table = printed.tables["stages"]
    assert [column.metric for column in table.columns] == ["mAP@10", "R@1", "R@5", "R@10"]
    text = (shared_dir / "DESIGN.md").read_text(encoding="utf-8")
    for name in ("stage1_clotho", "self_distilled_clotho", "released"):
        numbers = table.printed(name, "Clotho")
        assert " / ".join(f"{number:.2f}" for number in numbers) in text, name
        assert name in table.rows.values()


def test_consistency_over_languages(shared_dir):
    """ATRI: R@1 of both directions, means of eight languages, and text to audio in English, on AudioCaps."""
    table = read_printed_figures(RECIPE / "conf/papers/consistency.yaml").tables["consistency"]
    assert table.language == "mean"
    text = (shared_dir / "DESIGN.md").read_text(encoding="utf-8")
    rows = [table.printed(name, "AudioCaps") for name in ("mixture", "co_anchor", "one_to_k")]
    both = " -> ".join(
        f"{t2a:.2f} / {a2t:.2f} ({name})"
        for (t2a, a2t, *_), name in zip(rows, ("ML-CLAP", "CACL", "KCL"))
    )
    assert both in text
    assert " -> ".join(f"{row[2]:.2f}" for row in rows) in text
    assert {"mixture", "co_anchor", "one_to_k"} < set(table.rows.values())


def test_the_command_of_estimated_correspondences(monkeypatch, capsys):
    """The one in the README: every student after its teachers, from the weights of stage 1."""
    command = ["--papers", "correspondences", "--tables", "stages"]
    assert " ".join(["./run_experiments.sh", *command]) in (RECIPE / "README.md").read_text()
    monkeypatch.chdir(RECIPE)
    run_experiments.main([*command, "--dry_run", "true"])
    lines = [line for line in capsys.readouterr().out.splitlines() if " --stage 5 " in line]
    tags = [line.split("--mlclap_tag ")[1].split()[0] for line in lines]
    for tag, line in zip(tags, lines):
        words = shlex.split(line)
        if "--teachers" in words:
            needed = words[words.index("--teachers") + 1].split()
            start = words[words.index("--init_param") + 1].removesuffix("/valid.mAP@10.best.pth")
            before = [f"exp/mlclap_{other}" for other in tags[: tags.index(tag)]]
            assert {*needed, start} <= set(before), tag
    ensemble = next(line for line in lines if "ensemble_seeds_seed1" in line)
    assert "'exp/mlclap_stage1_seed1 exp/mlclap_stage1_seed2 exp/mlclap_stage1_seed3'" in ensemble
