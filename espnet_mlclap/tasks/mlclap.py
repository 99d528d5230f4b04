"""ESPnet task of multilingual audio-text retrieval: the choices, and what is built from them."""

import argparse
import logging
from pathlib import Path
from typing import Any, Callable, ClassVar, Dict, List, Optional, Tuple

from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.tasks.abs_task import AbsTask, IteratorOptions, scheduler_classes
from espnet2.train.distributed_utils import DistributedOption
from espnet2.utils.types import float_or_none, int_or_none

from espnet_mlclap.checkpoints.state_dict import initialise
from espnet_mlclap.fileio.data_dir import Caption, DataDir, read_captions
from espnet_mlclap.iterators.epoch_plan import (
    CLIP_CAPTIONS,
    LE_SHARING,
    ClipCaptions,
    EpochPlan,
    PlanOptions,
)
from espnet_mlclap.iterators.mlclap_iter_factory import EpochPlanIterFactory, WholeSetIterFactory
from espnet_mlclap.models.registry import build_model
from espnet_mlclap.models.text_encoder.abs_text_encoder import Tokenizer
from espnet_mlclap.objectives.abs_objective import AbsObjective
from espnet_mlclap.objectives.gather import world_size
from espnet_mlclap.objectives.registry import build_objective
from espnet_mlclap.tasks.choices import all_choices
from espnet_mlclap.train.collate_fn import MLCLAPCollateFn
from espnet_mlclap.train.dataset import CROPS, CaptionedClipDataset
from espnet_mlclap.train.trainer import MLCLAPTrainer
from espnet_mlclap.train.warmup_cosine import WarmupCosineLR
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.normalize import NORMALIZERS

# ESPnet's own schedules stay available beside it.
scheduler_classes["warmupcosinelr"] = WarmupCosineLR


class MLCLAPTask(AbsTask):
    """Trains a multilingual audio-text retrieval model."""

    num_optimizers = 1
    class_choices_list = all_choices()
    trainer = MLCLAPTrainer
    # Of the model that build_model made; the iterator factories need it and get only `args`.
    tokenizer: ClassVar[Optional[Tokenizer]] = None

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(
            iterator_type="task",
            num_att_plot=0,
            use_matplotlib=False,
            batch_size=128,
            best_model_criterion=[("valid", "mAP@10", "max")],
            early_stopping_criterion=("valid", "mAP@10", "max"),
            val_scheduler_criterion=("valid", "mAP@10"),
            keep_nbest_models=[1],
        )
        for choices in cls.class_choices_list:
            choices.add_arguments(parser)

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
            help="how often each captions of a train_data_dir count in an epoch; one a directory, or none",
        )
        group.add_argument("--valid_data_dir", default=None, help="formatted validation set")
        group.add_argument(
            "--le_data_dir",
            action="append",
            default=[],
            help="translated captions of the training sets; repeatable",
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

        group = parser.add_argument_group("Epoch plan")
        group.add_argument(
            "--le_ratio",
            type=float,
            default=0.1,
            help="probability that an epoch uses a translated caption",
        )
        group.add_argument(
            "--le_langs",
            default=None,
            help="FLORES-200 codes with spaces between; all if not given",
        )
        group.add_argument(
            "--le_sharing",
            default="each",
            choices=LE_SHARING,
            help="each: le_ratio holds for each language; shared: it is divided among them",
        )
        group.add_argument(
            "--clip_captions",
            default="all",
            choices=CLIP_CAPTIONS,
            help="captions of a clip that an epoch uses: all, or one, drawn anew each epoch",
        )
        group.add_argument(
            "--length_buckets",
            type=int,
            default=8,
            help="groups of clips of similar length; a batch is from one of them",
        )
        group.add_argument(
            "--plan_seed", type=int_or_none, default=None, help="the seed if not given"
        )

    @classmethod
    def build_collate_fn(cls, args: argparse.Namespace, train: bool) -> MLCLAPCollateFn:
        return MLCLAPCollateFn(pad_id=cls.tokenizer.pad_id)

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> Optional[Callable]:
        """None: captions are tokenised by the dataset, which knows their languages."""
        return None

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> Tuple[str, ...]:
        return ("audio",) if inference else ("audio", "text")

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> Tuple[str, ...]:
        return ()

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> AbsObjective:
        """Build the objective with its model, and make the experiment independent of what it started from.

        `args.text_encoder_conf` is replaced by one that needs only files of the experiment. The weights of
        `args.init_param` are loaded here, strictly and by the safe reader, and go on as
        `args.started_from`; ESPnet writes `args` to config.yaml afterwards.

        Raises:
            UserError: a weight that `--init_param` does not have, or has too many of.
        """
        model = build_model(vars(args))
        for value in args.init_param:
            initialise(model, value)
        args.started_from, args.init_param = args.init_param, []
        args.text_encoder_conf = model.text_encoder.export(Path(args.output_dir))
        cls.tokenizer = model.text_encoder.tokenizer
        return build_objective(vars(args), model)

    @classmethod
    def build_iter_factory(
        cls,
        args: argparse.Namespace,
        distributed_option: DistributedOption,
        mode: str,
        kwargs: Optional[Dict[str, Any]] = None,
    ) -> AbsIterFactory:
        """Training batches from the epoch plan, or the validation set clip by clip."""
        if args.iterator_type != "task":
            raise UserError("iterator_type must be task: an epoch is drawn by the epoch plan")
        return super().build_iter_factory(args, distributed_option, mode, kwargs)

    @classmethod
    def build_task_iter_factory(
        cls, args: argparse.Namespace, iter_options: IteratorOptions, mode: str
    ) -> AbsIterFactory:
        if mode == "train":
            return cls._train_iter_factory(args, iter_options)
        return cls._valid_iter_factory(args, iter_options)

    @classmethod
    def _dataset(
        cls, args: argparse.Namespace, data: DataDir, captions: Dict[str, Caption], train: bool
    ) -> CaptionedClipDataset:
        return CaptionedClipDataset(
            wav_scp=data.wav_scp,
            captions=captions,
            tokenizer=cls.tokenizer,
            normalize=NORMALIZERS[args.text_normalization],
            crop=args.crop if train else "none",
            max_seconds=args.max_seconds if train else None,
            seed=args.seed,
        )

    @classmethod
    def _train_iter_factory(
        cls, args: argparse.Namespace, iter_options: IteratorOptions
    ) -> EpochPlanIterFactory:
        if not args.train_data_dir:
            raise UserError("--train_data_dir: give at least one formatted training set")
        data, weights = read_training_sets(args.train_data_dir, args.train_data_weight)
        translations: Dict[str, Caption] = {}
        if args.le_ratio > 0:
            for folder in args.le_data_dir:
                translations.update(read_captions(folder))
        plan = EpochPlan(
            lengths={clip: float(value) for clip, value in data.extra["utt2num_samples"].items()},
            originals=data.captions,
            translations=translations,
            options=PlanOptions(
                batch_size=iter_options.batch_size,
                le_ratio=args.le_ratio,
                le_langs=args.le_langs.split() if args.le_langs else None,
                le_sharing=args.le_sharing,
                clip_captions=args.clip_captions,
                length_buckets=args.length_buckets,
                seed=args.seed if args.plan_seed is None else args.plan_seed,
            ),
            clip_weights=weights,
        )
        languages = " ".join(plan.le_langs) or "no"
        logging.info(
            f"training on {len(data.wav_scp)} clips with {len(data.captions)} captions; language "
            f"enhancement with {languages} translations at {plan.draw_probability:g}"
        )
        rank = 0
        if iter_options.distributed:
            import torch

            rank = torch.distributed.get_rank()
        return EpochPlanIterFactory(
            plan=plan,
            dataset=cls._dataset(args, data, plan.captions, train=True),
            collate_fn=iter_options.collate_fn,
            num_workers=args.num_workers,
            pin_memory=args.ngpu > 0,
            rank=rank,
            world_size=world_size(),
        )

    @classmethod
    def _valid_iter_factory(
        cls, args: argparse.Namespace, iter_options: IteratorOptions
    ) -> WholeSetIterFactory:
        if args.valid_data_dir is None:
            raise UserError("--valid_data_dir: give the formatted validation set")
        data = DataDir.read(args.valid_data_dir)
        clips = [
            ClipCaptions(clip, tuple(keys), 0) for clip, keys in data.captions_of_clips().items()
        ]
        samples = data.extra["utt2num_samples"]
        return WholeSetIterFactory(
            clips=clips,
            lengths=[float(samples[item.clip]) for item in clips],
            dataset=cls._dataset(args, data, data.captions, train=False),
            collate_fn=iter_options.collate_fn,
            batch_size=iter_options.batch_size,
            num_workers=args.num_workers,
            pin_memory=args.ngpu > 0,
        )


def read_training_sets(
    folders: List[str], weights: List[float]
) -> Tuple[DataDir, Optional[Dict[str, float]]]:
    """Read training sets as one.

    Returns:
        The clips and captions of all sets, and the weight of each clip (None if no weights are given).

    Raises:
        UserError: an id that is in two sets, or another number of weights than sets.
    """
    if weights and len(weights) != len(folders):
        raise UserError(
            f"--train_data_weight: {len(weights)} weights for {len(folders)} training sets; give one each"
        )
    merged = DataDir(extra={"utt2num_samples": {}})
    clip_weights: Dict[str, float] = {}
    for number, folder in enumerate(folders):
        data = DataDir.read(folder)
        if "utt2num_samples" not in data.extra:
            raise UserError(f"{folder}/utt2num_samples is missing. Run stage 3 (formatting).")
        twice = set(merged.wav_scp) & set(data.wav_scp) or set(merged.captions) & set(data.captions)
        if twice:
            raise UserError(
                f"{folder}: {min(twice)!r} is also in another training set. Rename one."
            )
        merged.wav_scp.update(data.wav_scp)
        merged.captions.update(data.captions)
        merged.extra["utt2num_samples"].update(data.extra["utt2num_samples"])
        if weights:
            clip_weights.update(dict.fromkeys(data.wav_scp, weights[number]))
    return merged, clip_weights or None
