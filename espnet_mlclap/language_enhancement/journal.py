"""What was translated so far, on disk, so that a killed run resumes where it stopped.

One line per batch, appended and synced when the batch is done:

    <crc32 of the rest, 8 hex digits> {"by": ..., "source": ..., "target": ..., "pairs": [[s, t], ...]}

A line that a kill cut off, or that was damaged, has the wrong checksum and is left out; its batch is done
again. Lines of a translator with other settings are left alone. Sentences that the translator had no
translation for are not kept, so that the next run asks for them again.

Jobs that translate a share each write a journal each, beside the one without a share; all are read together.
"""

import json
import logging
import os
import zlib
from pathlib import Path
from typing import Dict, Iterable, Mapping, Optional, Sequence, Tuple, Union

from espnet_mlclap.utils.atomic import make_dir
from espnet_mlclap.utils.config import check_mapping
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.settings import check_types
from espnet_mlclap.utils.shard import Shard, share_of, shares_beside

# (source language, target language, sentence) -> translation
Translations = Dict[Tuple[str, str, str], str]


_TYPES = {"by": str, "source": str, "target": str, "pairs": Sequence[Tuple[str, str]]}  # of a line


class Journal:
    """An append-only file of translations made by one translator.

    Args:
        path: the file; it and its folder are created.
        identity: what decides the translator's output (`AbsTranslator.identity`).
        shard: the share that is written, into a file of its own.

    Raises:
        UserError: the file cannot be read or written.
    """

    def __init__(
        self,
        path: Union[str, Path],
        identity: Mapping[str, object],
        *,
        shard: Optional[Shard] = None,
    ):
        self._whole = Path(path)
        self.path = self._whole if shard is None else share_of(self._whole, shard)
        self._by = f"{zlib.crc32(_canonical(identity)):08x}"
        make_dir(self.path.parent)
        try:
            self._file = open(self.path, "a+b")  # noqa: SIM115 (closed by __exit__)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror}).") from error

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def read(self) -> Translations:
        """All translations of this translator's that were written completely, also by other shares."""
        translations: Translations = {}
        for path in self._others():
            with path.open("rb") as lines:
                self._add(lines, translations)  # the last line may be in the making
        self._file.seek(0)
        broken, complete = self._add(self._file, translations)
        if not complete:
            self._append(b"\n")  # so that the next line does not continue the one that was cut off
        if broken:
            logging.info(
                "%s: %d damaged lines left out; their batches are done again", self.path, broken
            )
        return translations

    def _others(self) -> Iterable[Path]:
        shares = [path for _, path in shares_beside(self._whole)]
        return [path for path in (self._whole, *shares) if path != self.path and path.is_file()]

    def _add(self, lines: Iterable[bytes], translations: Translations) -> Tuple[int, bool]:
        """The number of damaged lines, and whether the last one has an end."""
        broken = 0
        line = b"\n"
        for line in lines:
            record = _parse(line)
            if record is None:
                broken += 1
            elif record["by"] == self._by:
                for sentence, translation in record["pairs"]:
                    if translation:
                        translations[record["source"], record["target"], sentence] = translation
        return broken, line.endswith(b"\n")

    def write(
        self,
        source_lang: str,
        target_lang: str,
        sentences: Sequence[str],
        translations: Sequence[str],
    ) -> None:
        """Append one batch, without empty translations; it is on disk when this returns."""
        pairs = [pair for pair in zip(sentences, translations) if pair[1]]
        if not pairs:
            return
        record = {
            "by": self._by,
            "source": source_lang,
            "target": target_lang,
            "pairs": pairs,
        }
        data = _canonical(record)
        self._append(f"{zlib.crc32(data):08x} ".encode() + data + b"\n")

    def _append(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror}).") from error


def _canonical(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, ensure_ascii=False, sort_keys=True).encode("utf-8")


def _parse(line: bytes):
    checksum, _, data = line.rstrip(b"\n").partition(b" ")
    if not data or checksum != f"{zlib.crc32(data):08x}".encode():
        return None
    try:
        record = check_mapping(json.loads(data), "journal")
        check_types(record, _TYPES, "journal", required=True)
    except (ValueError, RecursionError, UserError):  # by another program, or by hand
        return None
    return record
