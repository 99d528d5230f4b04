"""ESPnet task of multilingual audio-text retrieval: what is built from a training's options."""

import argparse
import logging
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

import torch
from espnet2.tasks.abs_task import AbsTask, IteratorOptions, scheduler_classes
from espnet2.train.distributed_utils import DistributedOption

from espnet_mlclap.checkpoints.state_dict import initialise
from espnet_mlclap.evaluation.embeddings import sort_languages
from espnet_mlclap.evaluation.validation import RerankedValidationSet, ValidationSet
from espnet_mlclap.fileio.audio import SAMPLING_RATE
from espnet_mlclap.iterators.cut import most_sound
from espnet_mlclap.iterators.epoch_plan import EpochPlan
from espnet_mlclap.iterators.mlclap_iter_factory import EpochPlanIterFactory
from espnet_mlclap.iterators.plan_options import PlanOptions
from espnet_mlclap.models.registry import (
    build_model,
    models,
)
from espnet_mlclap.models.reranker.pair_model import CoAttentionModel
from espnet_mlclap.objectives.abs_objective import AbsObjective
from espnet_mlclap.objectives.correspondences import TEACHERS
from espnet_mlclap.objectives.gather import world_size
from espnet_mlclap.objectives.registry import build_objective
from espnet_mlclap.tasks.arguments import (
    add_data_arguments,
    add_plan_arguments,
    add_step_arguments,
    set_defaults,
)
from espnet_mlclap.tasks.choices import all_choices
from espnet_mlclap.tasks.inputs import codes, encode_once, inputs, shard_lanes
from espnet_mlclap.train.collate_fn import MLCLAPCollateFn
from espnet_mlclap.train.dataset import CaptionedClipDataset
from espnet_mlclap.train.freeze import freeze
from espnet_mlclap.train.options import check_options
from espnet_mlclap.train.row_adam import row_adam
from espnet_mlclap.train.teachers import Teachers
from espnet_mlclap.train.trainer import MLCLAPTrainer
from espnet_mlclap.train.training_sets import read_training_languages, read_training_sets
from espnet_mlclap.train.warmup_cosine import WarmupCosineLR
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.normalize import NORMALIZERS

# `--scheduler` takes its choices from this dictionary of ESPnet's and offers no other way to add one; the
# schedules that are there stay available.
scheduler_classes["warmupcosinelr"] = WarmupCosineLR


class MLCLAPTask(AbsTask):
    """Trains a multilingual audio-text retrieval model."""

    num_optimizers = 1
    class_choices_list = all_choices()
    trainer = MLCLAPTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        set_defaults(parser)
        for choices in cls.class_choices_list:
            choices.add_arguments(parser)
        add_data_arguments(parser)
        add_plan_arguments(parser)
        add_step_arguments(parser)

    @classmethod
    def check_required_command_args(cls, args: argparse.Namespace) -> None:
        """ESPnet's checks, and that nothing is asked for which this project does not support.

        Raises:
            UserError: an option that is not supported; names it and says what to do.
        """
        super().check_required_command_args(args)
        check_options(args)

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

        ESPnet writes `args` to config.yaml afterwards. Changed for that file are `text_encoder_conf`, which
        then needs only files of the experiment; `init_param`, whose weights are loaded here, strictly and by
        the safe reader, and which continues as `started_from`; and `train_langs` and `source_lang` are added:
        the languages that the model hears, the source first, and the source where it is known.

        Raises:
            UserError: a weight that `--init_param` does not have, or has too many of; a part in
                `--freeze_param` that the model does not have.
        """
        model = build_model(vars(args))
        learnt: Dict[str, torch.Tensor] = {}
        for value in args.init_param:
            learnt.update(initialise(model, value, model.new_parts))
        args.started_from, args.init_param = args.init_param, []
        freeze(model, args.freeze_param)
        folder = Path(args.output_dir)
        args.text_encoder_conf = model.text_encoder.export(folder)
        args.audio_encoder_conf = model.audio_encoder.export(folder) or args.audio_encoder_conf
        args.train_langs, args.source_lang = training_languages(args)
        objective = build_objective(vars(args), model)
        check_teachers(objective, args)
        objective.start_from(learnt)
        if args.token_store:
            cls._validation_set(args)  # what is wrong with it is said before hours of encoding
            kept = encode_once(objective, args)
            args.kept = {side: list(of_tower) for side, of_tower in kept.items()}
        return objective

    @classmethod
    def build_optimizers(
        cls, args: argparse.Namespace, model: AbsObjective
    ) -> List[torch.optim.Optimizer]:
        """ESPnet's optimiser, and with `--sparse_embedding` one of the embedding alone, on the same schedule.

        Raises:
            UserError: `--sparse_embedding` where it does not work.
        """
        optimizers = super().build_optimizers(args, model)
        if args.sparse_embedding:
            if world_size() > 1:
                raise UserError("sparse_embedding: is for one process. Set it to false.")
            embedding = model.model.text_encoder.embedding
            optimizers.append(row_adam(embedding, optimizers[0], args.grad_clip))
            # by these names ESPnet finds the schedule of a second optimiser
            args.scheduler2, args.scheduler2_conf = args.scheduler, args.scheduler_conf
        return optimizers

    @classmethod
    def build_iter_factory(
        cls,
        args: argparse.Namespace,
        distributed_option: DistributedOption,
        mode: str,
        kwargs: Optional[Dict[str, Any]] = None,
    ) -> Union[EpochPlanIterFactory, ValidationSet]:
        """Training batches from the epoch plan; for validation the set itself, which scores a model."""
        if mode == "valid":
            return cls._validation_set(args)
        return super().build_iter_factory(args, distributed_option, mode, kwargs)

    @classmethod
    def build_collate_fn(cls, args: argparse.Namespace, train: bool) -> MLCLAPCollateFn:
        return MLCLAPCollateFn(pad_id=inputs(args)[1].pad_id)

    @classmethod
    def build_task_iter_factory(
        cls, args: argparse.Namespace, iter_options: IteratorOptions, mode: str
    ) -> EpochPlanIterFactory:
        sets = read_training_sets(
            args.train_data_dir,
            weights=args.train_data_weight,
            translations=args.le_data_dir if args.le_ratio > 0 else [],
            paraphrases=args.paraphrase_data_dir if args.paraphrase_ratio > 0 else [],
        )
        plan = EpochPlan(
            lengths=sets.lengths,
            originals=sets.originals,
            translations=sets.translations,
            paraphrases=sets.paraphrases,
            options=PlanOptions(
                batch_size=iter_options.batch_size,
                batch_length=most_sound(
                    sets.lengths.values_by_row,
                    iter_options.batch_size,
                    args.batch_seconds,
                    args.max_seconds,
                ),
                clip_length=_samples(args.max_seconds),
                le_pairing=args.le_pairing,
                le_ratio=args.le_ratio,
                paraphrase_ratio=args.paraphrase_ratio,
                le_langs=codes(args.le_langs, "le_langs"),
                le_sharing=args.le_sharing,
                clip_captions=args.clip_captions,
                length_buckets=args.length_buckets,
                seed=args.seed,
            ),
            clip_weights=sets.weights,
        )
        logging.info(f"training on {len(sets.wav_scp)} clips; {plan.describe()}")
        reader, tokenizer = inputs(args)
        dataset = CaptionedClipDataset(
            wav_scp=sets.wav_scp,
            captions=plan.captions,
            tokenizer=tokenizer,
            langs=args.train_langs,
            normalize=NORMALIZERS[args.text_normalization],
            crop=args.crop,
            max_seconds=args.max_seconds,
            seed=args.seed,
            reader=reader,
            teachers=Teachers(args.teacher_embeddings) if args.teacher_embeddings else None,
        )
        dataset.prepare()
        return EpochPlanIterFactory(
            plan=plan,
            dataset=dataset,
            lanes=shard_lanes(args, plan, sets, reader) if args.reading == "sequential" else None,
            collate_fn=iter_options.collate_fn,
            num_workers=args.num_workers,
            pin_memory=args.ngpu > 0,
            rank=torch.distributed.get_rank() if iter_options.distributed else 0,
            world_size=world_size(),
        )

    @classmethod
    def _validation_set(cls, args: argparse.Namespace) -> ValidationSet:
        if args.valid_data_dir is None:
            raise UserError("--valid_data_dir: give the formatted validation set")
        settings = {
            "normalize": NORMALIZERS[args.text_normalization],
            "num_workers": args.num_workers,
            "langs": codes(args.valid_langs, "valid_langs") or (),
        }
        if issubclass(models.get(args.model), CoAttentionModel):
            return RerankedValidationSet(args.valid_data_dir, top=args.valid_rerank_top, **settings)
        return ValidationSet(args.valid_data_dir, **settings)


def check_teachers(objective: AbsObjective, args: argparse.Namespace) -> None:
    """Teachers must be there exactly where something learns from them.

    Raises:
        UserError: says what is missing.
    """
    learns = set(TEACHERS) <= set(objective.needs)
    if learns and not args.teacher_embeddings:
        raise UserError(
            f"loss: {args.loss}: learns from teachers, but there are none. Give mlclap.sh --teachers, or "
            "--teacher_embeddings to this command."
        )
    if args.teacher_embeddings and not learns:
        raise UserError(
            f"--teacher_embeddings: loss: {args.loss} does not learn from teachers. Take loss: "
            "correspondences with a distillation_weight above 0."
        )


def training_languages(args: argparse.Namespace) -> Tuple[List[str], Optional[str]]:
    """Languages of the training captions, the source first, and the source where it is known."""
    languages = read_training_languages(
        args.train_data_dir,
        translations=args.le_data_dir if args.le_ratio > 0 else [],
        le_langs=codes(args.le_langs, "le_langs"),
    )
    order = [languages.source] if languages.source else []
    return sort_languages(languages.all, *order), languages.source


def _samples(seconds: Optional[float]) -> Optional[float]:
    return None if seconds is None else seconds * SAMPLING_RATE
