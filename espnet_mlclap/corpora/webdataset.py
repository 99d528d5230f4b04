"""Anybody's shards (WebDataset): tar files in which a clip's sound and captions stand under one name.

    <folder>/train/000000.tar ...    KEY.flac (wav, mp3, ogg ...) with KEY.txt or KEY.json, or both
    <folder>/test/..., <folder>/valid/...   (or `validation`, `dev`)

A text file holds one caption. A JSON file holds captions as `captions`, `caption` or `text`: a text, a list
of texts, or `{FLORES-200 code: text or list}`; `lang` says the language where no code does, `--lang` that of
the others; `label` is the clip's class. So the shards that stage 3 writes are read as well.
A key is a name up to the first dot of its last part. What has no sound or no caption is left out and counted.

Clips stay where they are: `wav.scp` names them as `archive.tar:offset`.
"""

import argparse
import json
import logging
import re
from collections import Counter, defaultdict
from pathlib import Path, PurePosixPath
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple, Union

from espnet_mlclap.corpora.abs_corpus import AbsCorpus
from espnet_mlclap.corpora.clip_ids import clip_ids
from espnet_mlclap.fileio.audio import AUDIO_SUFFIXES
from espnet_mlclap.fileio.data_dir import Caption, DataDir, caption_id
from espnet_mlclap.fileio.download import download
from espnet_mlclap.fileio.forward import is_address
from espnet_mlclap.fileio.published import PublishedFile
from espnet_mlclap.fileio.tar_index import Member, tar_members
from espnet_mlclap.fileio.tar_members import read_member
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.languages import check_language
from espnet_mlclap.utils.reading import parse_json
from espnet_mlclap.utils.shown import shown

_SPLITS = {"train": ("train",), "valid": ("valid", "validation", "dev"), "test": ("test",)}
_CAPTION_KEYS = ("captions", "caption", "text")
_MOST_TEXT_BYTES = 1 << 20  # of captions, of one clip
_MOST_SHARDS = 100_000  # that braces stand for
_Captions = List[Tuple[str, str]]


class _Sample(NamedTuple):
    """A key's sound, where it is, and its other files."""

    key: str
    shard: Path
    audio: Member
    captions: _Captions
    label: str


def read_shards(folder: Union[str, Path], *, prefix: str = "", lang: str = "eng_Latn") -> DataDir:
    """Read the tar files in a folder.

    Args:
        folder: with `*.tar`.
        prefix: what clip ids begin with.
        lang: FLORES-200 code of captions of which nothing says it.

    Raises:
        UserError: no shard, a broken or hostile one (see `tar_members`), a broken JSON file, an unknown
            language, no clip with captions.
    """
    folder = Path(folder)
    shards = sorted(folder.glob("*.tar"))
    if not shards:
        raise UserError(f"{folder}: there is no .tar in it.")
    left_out: Counter = Counter()
    samples = [one for shard in shards for one in _samples(shard, lang, left_out)]
    if not samples:
        raise UserError(f"{folder}: none of its {len(shards)} shards has a clip with captions.")
    times = Counter(sample.key for sample in samples)
    names = {
        (sample.shard, sample.key): (
            f"{sample.key}.x" if times[sample.key] == 1 else f"{sample.shard.stem}/{sample.key}.x"
        )
        for sample in samples
    }
    ids = clip_ids(names.values(), prefix)
    data = DataDir()
    for sample in samples:
        clip = ids[names[sample.shard, sample.key]]
        data.wav_scp[clip] = f"{sample.shard.resolve()}:{sample.audio.offset}"
        numbers: Counter = Counter()
        for language, text in sample.captions:
            numbers[language] += 1
            data.captions[caption_id(clip, language, numbers[language])] = Caption(
                text, clip, language
            )
        if sample.label:
            data.labels[clip] = sample.label
    if len(data.labels) < len(data.wav_scp):
        data.labels = {}  # all clips have one, or they are none
    if left_out:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
        logging.warning("%s: left out: %s", folder, counts)
    return data


def _samples(shard: Path, lang: str, left_out: Counter) -> Iterator[_Sample]:
    """The samples of a shard that have sound and captions."""
    by_key: Dict[str, Dict[str, Member]] = defaultdict(dict)
    for member in tar_members(shard):
        path = PurePosixPath(member.name)
        stem, _, suffix = path.name.partition(".")
        files = by_key[str(path.with_name(stem)) if stem else member.name]
        if suffix.lower() in files:
            raise UserError(f"{shown(shard)}: {shown(member.name)} is in it twice.")
        files[suffix.lower()] = member
    for key, files in by_key.items():
        sounds = [member for suffix, member in files.items() if f".{suffix}" in AUDIO_SUFFIXES]
        if len(sounds) != 1:
            left_out["several sounds" if sounds else "without sound"] += 1
            continue
        captions, label = _read_captions(shard, files, lang)
        if not captions:
            left_out["without captions"] += 1
            continue
        yield _Sample(key, shard, sounds[0], captions, label)


def _read_captions(shard: Path, files: Dict[str, Member], lang: str) -> Tuple[_Captions, str]:
    captions: _Captions = []
    label = ""
    if "json" in files:
        text, where = _read_text(shard, files["json"])
        try:
            about = parse_json(text)
        except json.JSONDecodeError as error:
            raise UserError(f"{where}: broken JSON ({error.msg}).") from error
        if not isinstance(about, dict):
            raise UserError(f"{where}: must be an object with captions.")
        own = about.get("lang")
        for key in _CAPTION_KEYS:
            if about.get(key):
                found = _captions(about[key], own if isinstance(own, str) and own else lang, where)
                captions += found
                break
        label = about["label"] if isinstance(about.get("label"), str) else ""
    if "txt" in files:
        text, where = _read_text(shard, files["txt"])
        captions += _captions(text, lang, where)
    return list(dict.fromkeys(captions)), " ".join(label.split())


def _read_text(shard: Path, member: Member) -> Tuple[str, str]:
    where = f"{shown(shard)}: {shown(member.name)}"
    if member.size > _MOST_TEXT_BYTES:
        raise UserError(f"{where}: {member.size:,} bytes are no captions of a clip.")
    _, content = read_member(str(shard), member.offset)
    try:
        return content.decode("utf-8-sig"), where
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not UTF-8.") from error


def _captions(value: Any, lang: str, where: str) -> _Captions:
    """Captions of a text, a list of texts, or either by language; each on one line."""
    if isinstance(value, dict):
        return [one for code, inside in value.items() for one in _captions(inside, code, where)]
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise UserError(f"{where}: a caption must be a text, not {shown(repr(value)[:80])}.")
    check_language(lang, where)
    lines = (" ".join(text.split()) for text in texts)
    return [(lang, line) for line in lines if line]


def expand_braces(address: str) -> List[str]:
    """What an address with `{000000..000012}` stands for; one without stands for itself.

    >>> expand_braces("a{08..10}.tar")
    ['a08.tar', 'a09.tar', 'a10.tar']

    Raises:
        UserError: braces of another form, or that stand for too many.
    """
    found = re.search(r"\{(\d{1,9})\.\.(\d{1,9})\}", address)
    if not found:
        if "{" in address:
            raise UserError(f"--address {address}: braces must be like {{000000..000012}}.")
        return [address]
    first, last = int(found[1]), int(found[2])
    if not first <= last < first + _MOST_SHARDS:
        raise UserError(
            f"--address {address}: must count upwards, to at most {_MOST_SHARDS:,} shards."
        )
    head, tail = address[: found.start()], address[found.end() :]
    names = (f"{head}{number:0{len(found[1])}}{tail}" for number in range(first, last + 1))
    return [one for name in names for one in expand_braces(name)]


class WebDataset(AbsCorpus):
    """Shards of anybody's; their licence is theirs to tell."""

    parts = ("shards",)
    caption_files = "tar files in train, test and valid, of KEY.flac, KEY.txt and KEY.json"

    def add_download_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--address",
            required=True,
            help="http(s) address of the shards, with {000000..000012} for numbers; into --out_dir DIR/train",
        )

    def download(self, options: argparse.Namespace) -> None:
        """Fetch the shards at an address; what is there is left as it is, what broke off goes on."""
        for address in expand_braces(options.address):
            source = {"kind": "address", "url": address}
            row = PublishedFile(address, "a shard", source, None, None, None, None)
            if not is_address(address) or not row.file.endswith(".tar"):
                raise UserError(
                    f"--address {address}: must be an http(s) address that ends in .tar."
                )
            target = Path(options.out_dir) / row.file
            if not target.exists():
                download(row, target)

    def add_prepare_options(self, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("--name", default="webdataset", help="first part of the names of the sets and clips")
        add("--lang", default="eng_Latn", help="language of captions of which nothing says it")

    def prepare(self, options: argparse.Namespace) -> None:
        """Write `<name>_train`, `_valid` and `_test`, as far as there are folders of these names."""
        check_language(options.lang, "--lang")
        found = 0
        for split, names in _SPLITS.items():
            for folder in (Path(options.audio_dir) / name for name in names):
                if folder.is_dir():
                    name = f"{options.name}_{split}"
                    data = read_shards(folder, prefix=f"{name}_", lang=options.lang)
                    data.write(Path(options.out_dir) / name, f"shards of {folder.resolve()}")
                    logging.info(
                        "%s: %d clips, %d captions", name, len(data.wav_scp), len(data.captions)
                    )
                    found += 1
                    break
        if not found:
            raise UserError(f"{options.audio_dir}: there is no folder train, valid or test in it.")
