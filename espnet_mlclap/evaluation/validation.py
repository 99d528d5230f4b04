"""Validation while training: the validation set embedded and scored as stages 6 and 7 do it."""

from pathlib import Path
from typing import Callable, Dict, Optional, Tuple, Union

from espnet_mlclap.evaluation.embed_set import embed_set
from espnet_mlclap.evaluation.scores import (
    CRITERION,
    DIRECTIONS,
    MEAN_NAMES,
    mean_of_languages,
    score_set,
)
from espnet_mlclap.fileio.data_dir import DataDir
from espnet_mlclap.models.two_tower import TwoTowerModel


class ValidationSet:
    """A formatted set that turns a model into figures (a `train.trainer.Validation`).

    The figures are in per cent: those of `mean_of_languages`, with `mAP@10`, by which the best checkpoint is
    chosen, and for each language `t2a_mAP@10_<lang>` and `a2t_mAP@10_<lang>`.

    Args:
        data_dir: the formatted set.
        normalize: what is applied to captions while training.
        num_workers: processes that read clips.

    Raises:
        UserError: the set is not there or broken.
    """

    def __init__(
        self,
        data_dir: Union[str, Path],
        *,
        normalize: Optional[Callable[[str, str], str]] = None,
        num_workers: int = 0,
    ):
        self.path = Path(data_dir)
        self.data = DataDir.read(self.path)
        self.normalize = normalize
        self.num_workers = num_workers

    @property
    def reported(self) -> Tuple[str, ...]:
        """Names of the figures."""
        return (
            *MEAN_NAMES,
            *(_name(way, lang) for lang in self.data.languages for way in DIRECTIONS),
        )

    def __call__(self, model: TwoTowerModel, device: str) -> Dict[str, float]:
        """Figures of a model that is on `device`."""
        embeddings = embed_set(
            model,
            self.data,
            path=self.path,
            normalize=self.normalize,
            device=device,
            num_workers=self.num_workers,
        )
        scores = score_set(embeddings, replicates=0)
        figures = mean_of_languages(scores)
        for lang, entry in scores.items():
            figures.update((_name(way, lang), entry[way][CRITERION]) for way in DIRECTIONS)
        return figures


def _name(way: str, lang: str) -> str:
    return f"{way}_{CRITERION}_{lang}"
