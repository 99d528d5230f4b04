"""WavCaps (Mei et al., 2023, arXiv:2303.17395): 403,050 recordings of four sources, one weak caption each.

The captions are the authors' JSON files (`json_files/<source>/*_final.json`: a list of rows, or one below
"data", with id and caption), the audio their archives, unpacked as `<audio folder>/<source>/<id>.flac`.
Academic use only; each source has terms of its own.

Recordings that Clotho or AudioCaps have as well must not be trained on when those are the test sets. What
the authors list (`json_files/blacklist/*.json`) is left out, and what comes from the same video or sound of
Freesound as a clip of a given set (`exclude`).
"""

import argparse
import logging
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Set, Union

from espnet_mlclap.corpora.abs_corpus import AbsCorpus
from espnet_mlclap.corpora.audio_index import AudioIndex
from espnet_mlclap.corpora.captioned import CaptionedClip, write_set
from espnet_mlclap.corpora.clip_ids import clip_ids
from espnet_mlclap.corpora.fetch import is_unpacked, unpack_flat
from espnet_mlclap.corpora.rows import one_line
from espnet_mlclap.fileio.data_dir import DataDir, read_table
from espnet_mlclap.utils.atomic import atomic_open
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.reading import read_json

REPOSITORY = "cvssp/WavCaps"  # of data sets, on the Hugging Face hub
REVISION = "85a0c21e26fa7696a5a74ce54fada99a9b43c6de"
BLACKLIST = "blacklist/blacklist_exclude_test_ac.json"  # in json_files


class Source(NamedTuple):
    """folder: of the source; captions: its JSON file; clips: published number of clips."""

    folder: str
    captions: str
    clips: int


SOURCES = {
    "audioset": Source("AudioSet_SL", "as_final.json", 108317),
    "bbc": Source("BBC_Sound_Effects", "bbc_final.json", 31201),
    "freesound": Source("FreeSound", "fsd_final.json", 262300),
    "soundbible": Source("SoundBible", "sb_final.json", 1232),
}


def download_wavcaps(
    folder: Union[str, Path],
    *,
    sources: Sequence[str] = tuple(SOURCES),
    repository: str = REPOSITORY,
    revision: str = REVISION,
) -> None:
    """Fetch `<folder>/json_files` and the archives from the hub, and unpack them to `<folder>/audio`.

    huggingface_hub continues where a download was interrupted. A source whose recordings are in place is not
    fetched again; its archives are removed. While a source is unpacked it needs the room twice.

    Raises:
        UserError: no network, huggingface-hub or (for split archives) 7-Zip missing, a damaged archive.
    """
    folder = Path(folder)
    _fetch(folder, "json_files", BLACKLIST, repository, revision)
    for name in sources:
        source = SOURCES[name]
        audio = folder / "audio" / source.folder
        archives = folder / "Zip_files" / source.folder
        if audio.is_dir():
            logging.info("%s: already there", audio)
        else:
            archive = f"{source.folder}.zip"
            _fetch(folder, f"Zip_files/{source.folder}", archive, repository, revision)
            logging.info("unpacking %s into %s", archives, audio)
            unpack_flat(archives / archive, audio, unpack_split_zip)
        if is_unpacked(audio):
            shutil.rmtree(archives, ignore_errors=True)


def prepare_wavcaps(
    json_dir: Union[str, Path],
    audio_dir: Union[str, Path],
    out_dir: Union[str, Path],
    *,
    sources: Optional[Sequence[str]] = None,
    blacklists: Optional[Sequence[Union[str, Path]]] = None,
    exclude: Sequence[Union[str, Path]] = (),
) -> Dict[str, DataDir]:
    """Write `wavcaps_<source>` into `out_dir` for each source.

    Args:
        json_dir: the folder `json_files`.
        audio_dir: folder of the sources' folders of audio.
        out_dir: folder for the data directories; clips without audio are listed in `<set>.missing`, those
            left out as known from test sets in `<set>.excluded`.
        sources: of `SOURCES`; None takes those that have a folder of audio, and says which have none.
        blacklists: JSON files `{"AudioSet": [ids], "FreeSound": [ids]}` of clips to leave out; None is the
            authors' list for tests on AudioCaps and Clotho.
        exclude: data directories (the validation and test sets) whose videos and sounds are left out.

    Returns:
        The sets by source.

    Raises:
        UserError: a file is missing or broken, or none of a source's clips has audio.
    """
    if sources is None:
        sources = _sources_in(Path(audio_dir))
    if blacklists is None:
        blacklists = [Path(json_dir) / BLACKLIST]
    banned = _banned(blacklists, exclude)
    sets = {}
    for name in sources:
        source = SOURCES[name]
        path = Path(json_dir) / source.folder / source.captions
        clips = read_clips(path, name)
        out = Path(out_dir) / f"wavcaps_{name}"
        kept = [clip for clip in clips if clip.source not in banned]
        excluded = sorted(clip.clip for clip in clips if clip.source in banned)
        logging.log(
            logging.INFO if len(clips) == source.clips else logging.WARNING,
            "%s: %d clips in %s (published: %d), %d left out as known from test sets",
            out, len(clips), path, source.clips, len(excluded),
        )  # fmt: skip
        sets[name] = write_set(
            kept,
            AudioIndex(Path(audio_dir) / source.folder),
            out,
            note=f"WavCaps, {name}, captions from {path}; {len(excluded)} clips left out",
        )
        with atomic_open(out.with_name(f"{out.name}.excluded")) as file:
            file.writelines(f"{clip}\n" for clip in excluded)
    return sets


def _sources_in(audio_dir: Path) -> List[str]:
    there = [name for name, source in SOURCES.items() if (audio_dir / source.folder).is_dir()]
    folders = {name: source.folder for name, source in SOURCES.items() if name not in there}
    if not there:
        raise UserError(f"{audio_dir}: has none of the folders {', '.join(folders.values())}.")
    for name, folder in folders.items():
        logging.warning("%s: has no %s, so there is no wavcaps_%s", audio_dir, folder, name)
    return there


def read_clips(path: Union[str, Path], name: str) -> List[CaptionedClip]:
    """Read the captions of the source `name`.

    Raises:
        UserError: the file is missing or broken, or a clip appears twice; names the row (from 0).
    """
    content = read_json(path)
    rows = content.get("data") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not rows:
        raise UserError(f'{path}: there is no list of clips in it, nor one below "data".')
    captions: Dict[str, str] = {}
    for number, row in enumerate(rows):
        where = f"{path}: row {number}"
        if not isinstance(row, dict) or "id" not in row:
            raise UserError(f'{where}: there is no "id".')
        caption, key = one_line(str(row.get("caption") or "")), str(row["id"])
        if not caption:
            raise UserError(
                f"{where}: the caption of {key} is empty. Fill it in or remove the row."
            )
        if key in captions:
            raise UserError(f"{where}: the id {key} appears twice. Remove one.")
        captions[key] = caption
    ids = clip_ids(captions, f"wavcaps_{name}_")
    return [
        CaptionedClip(ids[key], [_stem(key)], [("eng_Latn", caption)], _source_of(name, _stem(key)))
        for key, caption in captions.items()
    ]


def _stem(key: str) -> str:
    return key.removesuffix(".wav").removesuffix(".flac")


def _source_of(name: str, stem: str) -> str:
    if name == "audioset":  # as in PANNs' copy of AudioSet, a Y comes before the id
        return f"youtube:{stem.removeprefix('Y')}"
    return f"{name}:{stem}"


def _banned(
    blacklists: Sequence[Union[str, Path]], exclude: Sequence[Union[str, Path]]
) -> Set[str]:
    banned: Set[str] = set()
    for path in blacklists:
        content = read_json(path)
        if not isinstance(content, dict) or not set(content) & {"AudioSet", "FreeSound"}:
            raise UserError(f'{path}: not of the form {{"AudioSet": [ids], "FreeSound": [ids]}}.')
        for name, key in (("audioset", "AudioSet"), ("freesound", "FreeSound")):
            banned.update(_source_of(name, _stem(str(one))) for one in content.get(key, ()))
    for folder in exclude:
        path = Path(folder) / "clip2source"
        if path.exists():
            banned.update(read_table(path).values())
        else:
            logging.warning("%s: no clip2source in it, so nothing is left out for it", folder)
    return banned


def _fetch(folder: Path, part: str, last: str, repository: str, revision: str) -> None:
    """Fetch the folder `part` of the repository, in which there is a file `last`."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise UserError("fetching WavCaps needs huggingface-hub.") from error
    reason = "no network, or the repository has changed"
    try:
        snapshot_download(
            repository,
            repo_type="dataset",
            revision=revision,
            local_dir=folder,
            allow_patterns=[f"{part}/*"],
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
    else:  # without a network it returns as if all were well where an earlier call has fetched something
        if (folder / part / last).exists():
            return
    raise UserError(
        f"{repository}: {part} cannot be fetched ({reason}). What has arrived is kept in {folder}: "
        "run the same command again. Without a network: fetch that folder elsewhere and put it there."
    )


def unpack_split_zip(archive: Path, folder: Path) -> None:
    """Unpack a zip archive that may be split (`x.z01`, `x.z02`, ..., `x.zip`).

    7-Zip reads the parts where they are; joining them with `zip -s 0` or `zip -F` (Info-ZIP 3.0) was seen
    to damage some of the files.

    Raises:
        UserError: it is damaged or missing, or it is split and 7-Zip is not installed.
    """
    if not archive.with_suffix(".z01").exists():
        try:
            with zipfile.ZipFile(archive) as file:
                file.extractall(folder)
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{archive}: damaged ({error}). Delete it and fetch it again."
            ) from error
        return
    if shutil.which("7z") is None:
        raise UserError(
            f"{archive}: it is split; install the Debian package p7zip-full to unpack it."
        )
    command = ["7z", "x", "-bso0", "-bsp0", "-y", f"-o{folder}", str(archive)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        said = " ".join(run.stderr.split())[:300]
        raise UserError(f"{archive}: cannot be unpacked ({said}). Delete it and fetch it again.")


class WavCaps(AbsCorpus):
    """For the commands: `mlclap download_corpus wavcaps`, `mlclap prepare_corpus wavcaps`."""

    parts = tuple(SOURCES)
    caption_files = "the sources' JSON files, json_files"

    def download(self, options: argparse.Namespace) -> None:
        download_wavcaps(options.out_dir, sources=options.parts)

    def add_prepare_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--sources",
            nargs="+",
            help="of audioset, bbc, freesound, soundbible; default: those that have a folder of audio",
        )
        parser.add_argument(
            "--blacklist",
            action="append",
            help="JSON file of clips to leave out, instead of the authors' list; may be given several "
            "times; 'none' for no list",
        )
        parser.add_argument(
            "--exclude",
            action="append",
            default=[],
            help="data directory of a test or validation set whose videos and sounds are left out",
        )

    def prepare(self, options: argparse.Namespace) -> None:
        unknown = sorted(set(options.sources or ()) - set(SOURCES))
        if unknown:
            raise UserError(f"--sources {unknown[0]}: must be of {', '.join(SOURCES)}.")
        blacklists = options.blacklist
        if blacklists is not None:
            blacklists = [path for path in blacklists if path != "none"]
        prepare_wavcaps(
            options.captions_dir,
            options.audio_dir,
            options.out_dir,
            sources=options.sources,
            blacklists=blacklists,
            exclude=options.exclude,
        )
