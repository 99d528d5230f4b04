"""Clips with their captions, read and tokenised in the data workers."""

import zlib
from typing import Callable, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np
from torch.utils.data import Dataset

from espnet_mlclap.fileio.audio import HOP_LENGTH, SAMPLING_RATE, Waveform
from espnet_mlclap.fileio.caption_columns import CaptionColumns
from espnet_mlclap.fileio.clip_reader import ClipReader
from espnet_mlclap.fileio.columns import hash63
from espnet_mlclap.fileio.data_dir import Caption
from espnet_mlclap.iterators.epoch import ClipCaptions
from espnet_mlclap.models.text_encoder.abs_text_encoder import Tokenizer
from espnet_mlclap.train.teachers import Teachers
from espnet_mlclap.utils.errors import UserError

CROPS = ("none", "random")


class TokenizedCaption(NamedTuple):
    """One caption: its id, its tokens [tokens] int64, the numbers of its language, source and words, and
    whether it is its own source."""

    key: str
    tokens: np.ndarray
    lang_index: int
    source_index: int
    is_source: bool
    words_index: int


class TeacherVectors(NamedTuple):
    """What teachers think of a clip [D] and of its captions [n, D], float32: see `Teachers`."""

    clip: np.ndarray
    captions: np.ndarray


class CaptionedClip(NamedTuple):
    """A clip, [samples] or [frames, mel bins] float32, with its captions.

    `words` [W] int64: the numbers of the words of all captions of the clip, those too that are not drawn,
    filled up with -1; W is the same for all clips.
    """

    clip: str
    audio: np.ndarray
    captions: List[TokenizedCaption]
    words: np.ndarray
    teachers: Optional[TeacherVectors] = None


class CaptionedClipDataset(Dataset):
    """Loads one clip, once, and tokenises those of its captions that are asked for.

    Args:
        wav_scp: location of each clip (a file, or archive:offset).
        captions: captions, with what they were made from, where that is known. Where it is not, a caption
            is taken for an original, which says what no other says.
        tokenizer: caption and language to token ids.
        langs: the languages of the captions, in the order that `lang_index` counts.
        normalize: applied to a caption before it is tokenised.
        crop: "random" takes another piece of `max_seconds` of a longer clip each epoch, "none" its start.
        max_seconds: longest piece of a clip that is used; None for whole clips.
        seed: with clip and epoch, decides where a random piece starts.
        reader: of the audio encoder.
        teachers: whose vectors of the clips and captions go with them.

    Raises:
        UserError: a clip or caption that a teacher lacks; an unknown `crop`, or "random" without
            `max_seconds`.
    """

    def __init__(
        self,
        *,
        wav_scp: Mapping[str, str],
        captions: CaptionColumns,
        tokenizer: Tokenizer,
        langs: Sequence[str],
        normalize: Optional[Callable[[str, str], str]] = None,
        crop: str = "none",
        max_seconds: Optional[float] = None,
        seed: int = 0,
        reader: Optional[ClipReader] = None,
        teachers: Optional[Teachers] = None,
    ):
        if crop not in CROPS:
            raise UserError(f"crop must be one of {CROPS}, not {crop!r}")
        if crop == "random" and max_seconds is None:
            raise UserError("crop: random needs max_seconds, the length of the piece")
        self.wav_scp = wav_scp
        self.captions = captions
        self.tokenizer = tokenizer
        self.langs = list(langs)
        self.normalize = normalize
        self.crop = crop
        self.max_seconds = max_seconds
        self.seed = seed
        self.reader = reader or ClipReader()
        self.teachers = teachers
        if teachers is not None:
            teachers.check(self.wav_scp, self.captions)
        if max_seconds is not None and not self.reader.croppable:
            raise UserError(
                "max_seconds: a frozen encoder takes complete clips only, not pieces. Set it to null."
            )
        self._lang_index = {lang: index for index, lang in enumerate(self.langs)}
        self._most_words = captions.most_of_a_clip()

    def prepare(self) -> None:
        """Let reader and tokenizer do once, for all clips and captions, what they would do one by one."""
        self.reader.prepare(self.wav_scp.values())
        captions = self.captions.values()
        self.tokenizer.prepare((self._normalized(caption), caption.lang) for caption in captions)

    def __len__(self) -> int:
        return len(self.wav_scp)

    def __getitem__(self, item: ClipCaptions) -> CaptionedClip:
        """Load one clip.

        Raises:
            AudioError: the clip cannot be read.
        """
        return self._item(item, self.reader(self.wav_scp[item.clip]))

    def of_waveform(self, item: ClipCaptions, waveform: Waveform) -> CaptionedClip:
        """The same of a clip whose samples were read already."""
        return self._item(item, self.reader.of_waveform(waveform))

    def _item(self, item: ClipCaptions, audio: np.ndarray) -> CaptionedClip:
        audio = self._cut(audio, item)
        captions = [self._tokenized(key) for key in item.captions]
        taught = None
        if self.teachers is not None:
            taught = TeacherVectors(
                self.teachers.clips([item.clip])[0], self.teachers.captions(item.captions)
            )
        return CaptionedClip(item.clip, audio, captions, self._words_of(item.clip), taught)

    def _words_of(self, clip: str) -> np.ndarray:
        found = np.full(self._most_words, -1, dtype=np.int64)
        words = self.captions.words_of_clip(clip)
        found[: len(words)] = words
        return found

    def _tokenized(self, key: str) -> TokenizedCaption:
        caption = self.captions[key]
        source = self.captions.source(key)
        return TokenizedCaption(
            key,
            self.tokenizer(self._normalized(caption), caption.lang),
            self._lang_index[caption.lang],
            hash63(source),
            source == key,
            self.captions.words(key),
        )

    def _normalized(self, caption: Caption) -> str:
        return (
            caption.text if self.normalize is None else self.normalize(caption.text, caption.lang)
        )

    def _cut(self, audio: np.ndarray, item: ClipCaptions) -> np.ndarray:
        if self.max_seconds is None:
            return audio
        per_second = SAMPLING_RATE if audio.ndim == 1 else SAMPLING_RATE / HOP_LENGTH
        length = max(1, round(self.max_seconds * per_second))
        if audio.shape[0] <= length:
            return audio
        start = 0
        if self.crop == "random":
            key = [self.seed, item.epoch, zlib.crc32(item.clip.encode("utf-8"))]
            start = int(np.random.default_rng(key).integers(audio.shape[0] - length + 1))
        return audio[start : start + length]
