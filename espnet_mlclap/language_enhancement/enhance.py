"""Stage 2 as a whole: choose captions, translate them, check the translations, write the directories."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from espnet_mlclap.fileio.data_dir import (
    Caption,
    read_captions,
    write_captions,
    write_table,
)
from espnet_mlclap.language_enhancement.abs_translator import AbsTranslator
from espnet_mlclap.language_enhancement.batches import translate_all
from espnet_mlclap.language_enhancement.captions import Task, plan
from espnet_mlclap.language_enhancement.config import TranslationConfig
from espnet_mlclap.language_enhancement.file import given_translations
from espnet_mlclap.language_enhancement.journal import Journal
from espnet_mlclap.language_enhancement.quality import (
    PROBLEMS,
    CheckedTranslation,
    Embed,
    check_translations,
    chrf,
)
from espnet_mlclap.language_enhancement.quality_report import (
    language_table,
    summarize,
    write_report,
)
from espnet_mlclap.language_enhancement.registry import GIVEN, translators
from espnet_mlclap.utils.atomic import atomic_dir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import check_language
from espnet_mlclap.utils.shard import Shard

Pairs = List[Tuple[Task, str]]


@dataclass(frozen=True)
class Request:
    """What is to be done.

    Attributes:
        sets: (data directory, directory for its translations).
        source_lang: language of the captions that are translated.
        langs: languages to translate into.
        translator: a name or a dotted path of `registry.translators`, or `GIVEN`.
        lacking_only: skip the languages in which a clip has captions already.
        rewrite: make paraphrases in `source_lang` instead of translations into `langs`.
        given_dir: with "file", the directory of given translations.
        reference_dir: directory of good translations, for chrF.
        nj: most processes (see `_Factory.processes`).
        device: "cpu", "cuda" ...
        seed: of the draw of one caption per clip.
        shard: make this share of the translations, for another call that puts the shares together.
    """

    sets: Sequence[Tuple[Path, Path]]
    source_lang: str
    langs: Sequence[str]
    translator: str
    lacking_only: bool = False
    rewrite: bool = False
    given_dir: Optional[Path] = None
    reference_dir: Optional[Path] = None
    nj: int = 1
    device: str = "cpu"
    seed: int = 0
    shard: Optional[Shard] = None

    def __post_init__(self) -> None:
        check_language(self.source_lang, "--source_lang")
        if not (self.langs or self.rewrite):
            raise UserError("--langs names no language.")
        for lang in self.langs:
            check_language(lang, "--langs")
        if self.translator != GIVEN:
            cls = translators.get(self.translator)
            if self.rewrite and not cls.rewrites:
                able = [name for name in translators.names if translators.get(name).rewrites]
                raise UserError(
                    f"{self.translator} only translates; paraphrases come from {GIVEN}, {', '.join(able)}."
                )
        if (self.translator == GIVEN) != (self.given_dir is not None):
            raise UserError("--given_dir goes with --translator file, and only with it.")
        if self.translator == GIVEN and self.shard is not None:
            raise UserError(
                "--shard: given translations are not made, so there is nothing to share."
            )
        if self.nj < 1:
            raise UserError(f"--nj must be 1 or more, not {self.nj}")
        if len({out_dir.resolve() for _, out_dir in self.sets}) < len(self.sets):
            raise UserError("--out_dir names the same folder twice.")
        for data_dir, out_dir in self.sets:
            if data_dir.resolve() == out_dir.resolve():
                raise UserError(f"--out_dir {out_dir} is the data directory itself.")


def enhance(request: Request, config: TranslationConfig) -> Dict[Path, Dict[str, Any]]:
    """Translate the captions of all sets and write their directories of translations.

    Returns:
        The quality summary of each directory that was written (see `quality_report.summarize`): none with
        `request.shard`, whose translations are in a journal.

    Raises:
        UserError: anything wrong with the request, the data, the models or the server.
    """
    originals = {data_dir: read_captions(data_dir) for data_dir, _ in request.sets}
    references = read_captions(request.reference_dir) if request.reference_dir else {}
    factory = _Factory(request.translator, config, request.device, request.rewrite)
    if request.translator == GIVEN:
        translations = {
            data_dir: given_translations(
                str(request.given_dir),
                captions,
                request.source_lang,
                request.langs,
                captions_per_clip=config.captions_per_clip,
                seed=request.seed,
                where=str(data_dir),
                lacking_only=request.lacking_only,
                rewrite=request.rewrite,
            )
            for data_dir, captions in originals.items()
        }
    else:
        translations = _translate(request, config, originals, factory)
    if request.shard is not None:
        return {}
    embed, made_by = None, "Nothing was left to translate."
    if any(translations.values()):
        embed, made_by = factory.embedder(), factory.made_by(request.given_dir)
    summaries = {}
    for data_dir, out_dir in request.sets:
        checked = check_translations(translations[data_dir], config.quality, embed)
        scores = chrf(checked, references) if references else None
        summaries[out_dir] = summarize(checked, config.quality, scores)
        write_translations(out_dir, checked, summaries[out_dir], made_by, data_dir, config)
        logging.info("%s:\n%s", out_dir, language_table(summaries[out_dir]).text())
        _warn_of_losses(out_dir, summaries[out_dir])
    return summaries


def write_translations(
    out_dir: Path,
    checked: Sequence[CheckedTranslation],
    summary: Mapping[str, Any],
    made_by: str,
    data_dir: Path,
    config: TranslationConfig,
) -> None:
    """Write one directory of translations: captions, `utt2source`, the report and a README.

    Where no translation was asked for, its tables are empty files.

    Raises:
        UserError: no translation is left, or the folder cannot be written.
    """
    kept = [item for item in checked if item.is_kept(config.quality)]
    if checked and not kept:
        counts = {lang: entry["problems"] for lang, entry in summary["languages"].items()}
        raise UserError(
            f"{out_dir}: none of {len(checked)} translations is left after the checks: {counts}. The "
            "model does not fit these captions, or the thresholds under quality: are too strict "
            "(quality.filter: false keeps all)."
        )
    captions = {
        item.task.key: Caption(item.text, item.task.source.clip, item.task.lang) for item in kept
    }
    readme = (
        f"Translated captions of {data_dir} (language enhancement, stage 2).\n\n{made_by}\n\n"
        f"{len(kept)} of {len(checked)} translations are kept; quality.md says why the others are not. "
        "utt2source\nnames the original of each caption.\n"
    )
    with atomic_dir(out_dir) as folder:
        write_captions(folder, captions)
        write_table(folder / "utt2source", {item.task.key: item.task.source_key for item in kept})
        write_report(folder, summary, made_by)
        (folder / "README").write_text(readme, encoding="utf-8")


def journal_path(out_dir: Path) -> Path:
    """Where the journal of a directory of translations is: next to it."""
    return out_dir.with_name(f"{out_dir.name}.journal")


def _translate(
    request: Request,
    config: TranslationConfig,
    originals: Mapping[Path, Mapping[str, Caption]],
    factory: "_Factory",
) -> Dict[Path, Pairs]:
    tasks = {
        data_dir: plan(
            captions,
            request.source_lang,
            request.langs,
            captions_per_clip=config.captions_per_clip,
            seed=request.seed,
            where=str(data_dir),
            lacking_only=request.lacking_only,
            rewrite=request.rewrite,
        )
        for data_dir, captions in originals.items()
    }
    wanted = [
        (task.source.lang, task.lang, task.source.text)
        for group in tasks.values()
        for task in group
    ]
    logging.info(
        "%d translations of %d captions are needed, %d different ones",
        len(wanted),
        len({(id(group), task.source_key) for group in tasks.values() for task in group}),
        len(set(wanted)),
    )
    if not wanted:
        return {data_dir: [] for data_dir in originals}
    # One journal serves all sets of a call, so that what they have in common is translated once.
    path = journal_path(request.sets[0][1])
    with Journal(path, factory.identity(), shard=request.shard) as journal:
        done = translate_all(
            wanted,
            factory,
            journal,
            batch_size=factory.settings.batch_size,
            nj=factory.processes(request.nj),
            shard=request.shard,
        )
    if request.shard is not None:
        return {}
    return {
        data_dir: [(task, done[task.source.lang, task.lang, task.source.text]) for task in group]
        for data_dir, group in tasks.items()
    }


class _Factory:
    """Makes the translator of a call, in this process or in another (it is picklable)."""

    def __init__(self, name: str, config: TranslationConfig, device: str, rewrite: bool = False):
        self.name = name
        self.config = config
        self.device = device
        self.rewrite = rewrite
        self._made: Optional[AbsTranslator] = None
        if name != GIVEN:
            self.cls = translators.get(name)
            self.settings = config.of(name)

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_made": None}

    def __call__(self, process: int) -> AbsTranslator:
        if self._made is None:
            self._made = self.cls(self.settings, _device_of(process, self.device))
        return self._made

    def processes(self, nj: int) -> int:
        """How many of `nj` processes help: one per GPU for models on GPUs, else all."""
        if not self.cls.on_device or not self.device.startswith("cuda"):
            return nj
        if self.device != "cuda":  # one GPU, by its number
            return 1
        import torch

        return min(nj, max(1, torch.cuda.device_count()))

    def identity(self) -> Dict[str, object]:
        """Who translates; without loading a model."""
        if self.rewrite:
            return self.cls.rewriting_identity(self.settings)
        return self.cls.identity(self.settings)

    def made_by(self, given_dir: Optional[Path]) -> str:
        """Note of who translated; for given translations, what their own README says."""
        if self.name != GIVEN:
            note = f"Made by {_describe(self.identity())}."
            return f"{note} Machine {'paraphrases' if self.rewrite else 'translations'} were not proofread."
        note = f"Given in {given_dir} (the translator `file`)."
        readme = Path(given_dir) / "README"
        if not readme.is_file():
            return note
        lines = readme.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
        return "\n".join([f"{note} Its README:", "", *(f"> {line}".rstrip() for line in lines)])

    def embedder(self) -> Optional[Embed]:
        """SONAR's text encoder for the cosine, if there is one to take."""
        sonar = self.config.of("sonar")
        name = self.config.quality.encoder
        if name is None and self.name == "sonar":
            name = sonar.encoder
        if name is None:
            logging.warning(
                "no cosine of sources and translations is computed or checked, for the translator %s has no "
                "SONAR encoder. --encoder or quality.encoder: text_sonar_basic_encoder gives it one.",
                self.name,
            )
            return None

        from espnet_mlclap.language_enhancement.sonar import SonarTranslator  # takes long
        from espnet_mlclap.language_enhancement.sonar_encoder import SonarEncoder

        if isinstance(self._made, SonarTranslator) and name == sonar.encoder:
            return self._made.encoder.embed
        encoder = SonarEncoder(
            name,
            device=self.device,
            dtype=sonar.dtype,
            batch_size=sonar.batch_size,
            batch_tokens=sonar.batch_tokens,
        )
        return encoder.embed


def _warn_of_losses(out_dir: Path, summary: Mapping[str, Any]) -> None:
    for lang, entry in summary["languages"].items():
        lost = entry["translations"] - entry["kept"]
        if 2 * lost > entry["translations"]:
            reason = max(entry["problems"], key=entry["problems"].get)
            logging.warning(
                "%s: %d of %d translations into %s are left out, most often as %r (%s); quality.md shows "
                "the worst. quality: has the thresholds.",
                out_dir,
                lost,
                entry["translations"],
                lang,
                reason,
                PROBLEMS[reason],
            )


def _device_of(process: int, device: str) -> str:
    """With several processes and "cuda", each process takes the next device."""
    if device != "cuda" or process == 0:
        return device
    import torch

    return f"cuda:{process % max(1, torch.cuda.device_count())}"


def _describe(identity: Mapping[str, object]) -> str:
    shown = {key: value for key, value in identity.items() if not key.startswith("checkpoint ")}
    name = shown.pop("translator")
    settings = ", ".join(
        f"{key} {json.dumps(value, ensure_ascii=False)}" for key, value in shown.items()
    )
    return f"the translator `{name}` ({settings})"
