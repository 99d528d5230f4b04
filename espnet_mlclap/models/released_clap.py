"""A CLAP checkpoint of transformers as an experiment folder of our own, to be scored like any other."""

import tempfile
from pathlib import Path
from typing import Union

import torch

from espnet_mlclap.checkpoints.clap import read_clap
from espnet_mlclap.checkpoints.state_dict import check_weights
from espnet_mlclap.models.registry import build_model
from espnet_mlclap.models.released import write_experiment
from espnet_mlclap.utils.errors import UserError


def import_clap(checkpoint: str, experiment_dir: Union[str, Path]) -> Path:
    """Turn a CLAP checkpoint into an experiment folder like those of stage 5.

    Embeddings are those of `ClapModel.get_audio_features` and `get_text_features` for clips of up to 10 s;
    a longer clip is heard in several windows of 10 s, and not in random pieces (see
    `espnet_mlclap.models.audio_encoder.huggingface_families`).

    Args:
        checkpoint: a folder, or a name whose files are in the cache of the Hugging Face hub.
        experiment_dir: the folder to make.

    Returns:
        The file of weights in the experiment folder.

    Raises:
        UserError: a checkpoint that is missing or of another kind, or a folder that exists.
    """
    if Path(experiment_dir).exists():
        raise UserError(f"{experiment_dir}: exists already. Remove it or name another folder.")
    found = read_clap(checkpoint)
    from transformers import AutoTokenizer, RobertaConfig

    with tempfile.TemporaryDirectory() as text_encoder:
        RobertaConfig(**found.text_config).save_pretrained(text_encoder)
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, local_files_only=True)
        tokenizer.save_pretrained(text_encoder)
        config = {
            "audio_encoder": "huggingface",
            "audio_encoder_conf": {"model": checkpoint, "init": "scratch"},
            "text_encoder": "huggingface",
            "text_encoder_conf": {"model": text_encoder, "init": "scratch"},
            "text_pooling": "first_dense",
            "model": "two_tower",
            "model_conf": {"embed_size": found.embed_size},
            "train_langs": ["eng_Latn"],
        }
        with torch.device("meta"):
            model = build_model(config)
        check_weights(model, found.states, checkpoint)
        return write_experiment(experiment_dir, model, config, found.states)
