"""The one command that trains co-attention on AudioCaps and Clotho: which trainings it is, with what."""

from pathlib import Path

from espnet_mlclap.experiments.papers import choose_papers
from espnet_mlclap.experiments.plan import read_experiments
from espnet_mlclap.experiments.runs import run_options, select

RECIPE = Path(__file__).resolve().parents[3] / "egs2/audiocaps_clotho/mlclap1"


def test_the_towers_come_first_and_each_reranker_starts_from_them(monkeypatch):
    monkeypatch.chdir(RECIPE)
    listed = read_experiments("conf/experiments.yaml")
    runs = select(listed, choose_papers(listed.papers, "co_attention", "co_attention"), [1])
    assert [run.experiment.name for run in runs] == [
        "baseline", "baseline_longer", "co_attention_single", "co_attention_stacking",
        "co_attention_iterating",
    ]  # fmt: skip
    for run in runs[2:]:
        words = run_options(run, "exp", "valid.mAP@10.best.pth")
        options = dict(zip(words[::2], words[1::2]))
        assert options["--train_sets"] == "audiocaps_train clotho_development"
        assert options["--init_param"] == "exp/mlclap_baseline_seed1/valid.mAP@10.best.pth"
        assert (RECIPE / options["--mlclap_config"]).is_file()
        assert (options["--reranker"], options["--rerank_top"]) == ("own", "50 all")
        assert int(options["--rerank_most_pairs"]) >= 1045 * 5225  # Clotho's test set
