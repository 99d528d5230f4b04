"""This project's own options of a training; ESPnet and the building blocks add theirs."""

import argparse

from espnet2.utils.types import float_or_none, str2bool

from espnet_mlclap.evaluation.scores import CRITERION
from espnet_mlclap.iterators.lanes import READINGS
from espnet_mlclap.iterators.plan_options import (
    CLIP_CAPTIONS,
    LE_PAIRINGS,
    LE_SHARING,
    PlanOptions,
)
from espnet_mlclap.train.dataset import CROPS
from espnet_mlclap.utils.normalize import NORMALIZERS


def set_defaults(parser: argparse.ArgumentParser) -> None:
    """Give options of ESPnet's the values that they have here."""
    parser.set_defaults(
        iterator_type="task",
        num_att_plot=0,
        use_matplotlib=False,
        batch_size=PlanOptions.batch_size,
        best_model_criterion=[("valid", CRITERION, "max")],
        early_stopping_criterion=("valid", CRITERION, "max"),
        val_scheduler_criterion=("valid", CRITERION),
        keep_nbest_models=[1],
    )


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Sets of clips and captions, and how one of them is taken."""
    group = parser.add_argument_group("Clips and captions")
    group.add_argument(
        "--train_data_dir",
        action="append",
        default=[],
        help="formatted training set; repeatable",
    )
    group.add_argument(
        "--train_data_weight",
        type=float,
        action="append",
        default=[],
        help="how often each caption of a train_data_dir counts in an epoch; one per directory, or none",
    )
    group.add_argument(
        "--reading",
        default="random",
        choices=READINGS,
        help="random: each clip where it is; sequential: shards (--audio_format shards) from front to back",
    )
    group.add_argument(
        "--reading_buffer",
        type=int,
        default=2000,
        help="sequential reading: captions, with their clips, that a data worker mixes",
    )
    group.add_argument(
        "--shard_source",
        action="append",
        default=[],
        help="sequential reading: folder or http(s) address of the shards of a train_data_dir, if they are "
        "elsewhere; one per directory, or none",
    )
    group.add_argument("--valid_data_dir", default=None, help="formatted validation set")
    group.add_argument(
        "--valid_langs",
        default=None,
        help="languages of it that choose the best checkpoint: FLORES-200 codes separated by spaces; all if "
        "not given",
    )
    group.add_argument(
        "--le_data_dir",
        action="append",
        default=[],
        help="translated captions of the training sets; repeatable",
    )
    group.add_argument(
        "--paraphrase_data_dir",
        action="append",
        default=[],
        help="captions of the training sets in other words of their language; repeatable",
    )
    group.add_argument(
        "--token_store",
        default=None,
        help="folder in which is kept what frozen towers make of the training set: a frozen text encoder of "
        "captions, or both towers of a model of pairs",
    )
    group.add_argument(
        "--valid_rerank_top",
        type=int,
        default=50,
        help="validation of a model of pairs: items of each query that are scored; 0 for all",
    )
    group.add_argument(
        "--teacher_embeddings",
        nargs="+",
        action="append",
        default=[],
        metavar="DIR",
        help="what a teacher thinks of the training sets: a folder of `mlclap embed_training_set` per set; "
        "repeatable, once per teacher",
    )
    group.add_argument(
        "--text_normalization",
        default="none",
        choices=sorted(NORMALIZERS),
        help="mlclap: lower case without punctuation, as the authors' code does",
    )
    group.add_argument(
        "--crop",
        default="none",
        choices=CROPS,
        help="of a clip longer than max_seconds: none takes the start, random another part each epoch",
    )
    group.add_argument(
        "--max_seconds",
        type=float_or_none,
        default=None,
        help="longest part of a training clip that is used; null for whole clips",
    )


def add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    """What an epoch consists of; the defaults are those of `PlanOptions`."""
    group = parser.add_argument_group("Epoch plan")
    group.add_argument(
        "--le_pairing",
        default=PlanOptions.le_pairing,
        choices=LE_PAIRINGS,
        help="mixture: each translation for itself; one_to_k: every original with all of its translations; "
        "co_anchor: with one, in a language that each epoch draws",
    )
    group.add_argument(
        "--le_ratio",
        type=float,
        default=PlanOptions.le_ratio,
        help="probability that an epoch uses a translated caption",
    )
    group.add_argument(
        "--paraphrase_ratio",
        type=float,
        default=PlanOptions.paraphrase_ratio,
        help="probability that an epoch uses a paraphrase",
    )
    group.add_argument(
        "--le_langs",
        default=PlanOptions.le_langs,
        help="FLORES-200 codes separated by spaces; all if not given",
    )
    group.add_argument(
        "--le_sharing",
        default=PlanOptions.le_sharing,
        choices=LE_SHARING,
        help="each: le_ratio holds for each language; shared: it is divided among them",
    )
    group.add_argument(
        "--clip_captions",
        default=PlanOptions.clip_captions,
        choices=CLIP_CAPTIONS,
        help="captions of a clip that an epoch uses: all, or one, drawn again each epoch",
    )
    group.add_argument(
        "--batch_seconds",
        type=float_or_none,
        default=None,
        help="most sound in a batch, padding included, over all ranks; null for no limit but batch_size",
    )
    group.add_argument(
        "--length_buckets",
        type=int,
        default=PlanOptions.length_buckets,
        help="groups of clips of similar length; a batch is from one of them",
    )


def add_step_arguments(parser: argparse.ArgumentParser) -> None:
    """What a step of the optimiser does."""
    group = parser.add_argument_group("Step")
    group.add_argument(
        "--sparse_embedding",
        type=str2bool,
        default=False,
        help="update only those word vectors that a step has touched; see train/row_adam.py",
    )
