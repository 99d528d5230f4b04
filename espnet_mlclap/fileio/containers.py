"""What a file of audio promises about itself: where its sound ends, and whether libsndfile reads all of it.

Decoders read what is there and do not say that half is missing; and where a length is unknown they guess it.
So the container is asked first: the sizes that it declares are held against that of the file.

The layouts: RIFF/RF64 (EBU Tech 3306), W64, AIFF, AU and CAF are chunks with sizes; Ogg is pages (RFC 3533);
the Xing, Info and VBRI headers of MP3 count its bytes; MP4 is boxes (ISO 14496-12), Matroska elements
(RFC 8794) and ASF objects with sizes; FLAC counts its samples (RFC 9639), as does the chunk `fact` of WAV:
they are counted again while they are decoded. AAC, AMR and WavPack are frames (`frames.py`).
"""

import mmap
import struct
from typing import BinaryIO, Callable, Dict, NamedTuple, Optional, Set, Tuple

from espnet_mlclap.fileio.frames import adts, amr, is_adts, wavpack
from espnet_mlclap.fileio.promise import SLACK, Promise, at, cut_off

_SURE = 0.9  # of the samples that a compressed WAV counts: encoders count what they add at the ends or not
_UNKNOWN = (
    0x7FFF_0000  # sizes from here on, in 32 bits, stand for "to the end" where the file is smaller
)


class _Chunks(NamedTuple):
    """A layout of chunks: name, size, content, padded to a multiple of `align` bytes."""

    start: int  # of the first chunk
    name: int  # bytes of a chunk's name
    size: str  # struct format of a chunk's size
    align: int
    sound: bytes  # how the name of the chunk with the sound begins
    inclusive: bool = False  # the size counts name and size too


_LAYOUTS = {
    b"RIFF": _Chunks(12, 4, "<I", 2, b"data"),
    b"RIFX": _Chunks(12, 4, ">I", 2, b"data"),
    b"RF64": _Chunks(12, 4, "<I", 2, b"data"),
    b"FORM": _Chunks(12, 4, ">I", 2, b"SSND"),
    b"caff": _Chunks(8, 4, ">q", 1, b"data"),
    b"riff": _Chunks(40, 16, "<Q", 8, b"data", inclusive=True),
}
# codecs in a WAV file that libsndfile reads to the end: PCM, ADPCM, float, A-law, mu-law, IMA ADPCM, and
# "extensible", which is one of these
_WAV_CODECS = (0x0001, 0x0002, 0x0003, 0x0006, 0x0007, 0x0011, 0xFFFE)


def promise_of(file: BinaryIO, size: int) -> Promise:
    """Look at the container of a file of `size` bytes, opened for reading at its start."""
    head = file.read(16)
    for magic, look in _READERS.items():
        if head.startswith(magic):
            return look(file, size)
    if head[4:8] == b"ftyp":
        return _mp4(file, size)
    if is_adts(head):
        return adts(file, size)
    if head[:3] == b"ID3" or _mp3_frame(head[:4]) is not None:
        return _mp3(file, size)
    return Promise()


def _chunks(file: BinaryIO, size: int) -> Promise:
    layout = _LAYOUTS[at(file, 0, 4)]
    head = layout.name + struct.calcsize(layout.size)
    position, long_size, codec, counted = layout.start, None, 0x0001, 0
    while position + head <= size:
        data = at(file, position, head)
        name, (count,) = data[: layout.name], struct.unpack(layout.size, data[layout.name :])
        content = position + head
        if layout.inclusive:
            count -= head
        if name == b"ds64":  # of RF64: the true size of the data
            long_size = struct.unpack("<Q", at(file, content + 8, 8))[0]
        elif name == b"fmt " and layout.size == "<I":
            codec = struct.unpack("<H", at(file, content, 2))[0]
        elif name == b"fact":
            counted = int.from_bytes(at(file, content, 4), "little")
        elif name.startswith(layout.sound):
            if long_size is not None and count == 0xFFFF_FFFF:
                count = long_size
            promise = _sound(file, size, content, count, layout)
            if codec in _WAV_CODECS:
                return promise
            frames = int(_SURE * counted) if counted < _UNKNOWN else 0
            return promise._replace(libsndfile=False, frames=frames or None)
        position = content + count + -count % layout.align
        if count < 0:
            break
    return Promise()


def _sound(file: BinaryIO, size: int, start: int, count: int, layout: _Chunks) -> Promise:
    """Of the chunk with the sound: `count` bytes from `start`."""
    rest = size - start
    unknown = count < 0 or (count >= _UNKNOWN and count > rest and layout.size.endswith("I"))
    if unknown:
        return Promise()
    after = start + count + -count % layout.align
    following = at(file, after, layout.name)
    if count == 0 and rest > 0 and not following.strip(b"\0 ").isalnum():
        return Promise(libsndfile=False)  # its writer was stopped before it could fill in the size
    if count and following in _LAYOUTS:
        return Promise(
            f"several recordings were joined: after {count} bytes of sound another begins"
        )
    return cut_off(start + count, size)


def _au(file: BinaryIO, size: int) -> Promise:
    start, count = struct.unpack(">II", at(file, 4, 8).ljust(8, b"\0"))
    if count == 0xFFFF_FFFF:
        return Promise()
    return Promise(libsndfile=False) if count == 0 < size - start else cut_off(start + count, size)


def _ogg(file: BinaryIO, size: int) -> Promise:
    position, seen_sound, chained = 0, False, False
    unfinished: Set[bytes] = set()  # serial numbers of streams whose last page was not seen
    while position < size:
        head = at(file, position, 27)
        if len(head) < 27:
            return cut_off(position + 27 + SLACK, size)
        if head[:4] != b"OggS":  # something else behind it, or damaged: the decoder decides
            unfinished.clear()
            break
        first, last = bool(head[5] & 0x02), bool(head[5] & 0x04)
        chained |= first and seen_sound
        seen_sound |= not first
        unfinished = unfinished - {head[14:18]} if last else unfinished | {head[14:18]}
        lengths = file.read(head[26])
        position += 27 + head[26] + sum(lengths)
        if len(lengths) < head[26] or position > size:
            return Promise("cut off in the middle of a page")
    if unfinished:
        return Promise("cut off between two pages: none says that it is the last")
    return Promise(libsndfile=not chained)


def _flac(file: BinaryIO, size: int) -> Promise:
    with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as content:
        joined = content.find(b"fLaC\x00\x00\x00\x22", 4)
    if joined > 0:
        return Promise(f"several recordings were joined: at byte {joined} another begins")
    frames = int.from_bytes(at(file, 21, 5), "big") & ((1 << 36) - 1)
    if frames == 0:  # unknown, as when it was written into a pipe: libsndfile fails at its end
        return Promise(libsndfile=False)
    return Promise(frames=frames)


def _mp4(file: BinaryIO, size: int) -> Promise:
    position = 0
    while position + 8 <= size:
        count = struct.unpack(">I", at(file, position, 4))[0]
        if count == 1:
            count = struct.unpack(">Q", at(file, position + 8, 8).ljust(8, b"\0"))[0]
        if count < 8:  # 0: to the end
            break
        position += count
    return cut_off(position, size)._replace(libsndfile=False)


def _matroska(file: BinaryIO, size: int) -> Promise:
    position = 0
    for _ in range(2):  # the EBML header, then the segment, which holds all else
        name = _vint(at(file, position, 8))
        length = _vint(at(file, position + name[1], 8))
        position += name[1] + length[1]
        if length[0] is None:  # unknown: a stream
            return Promise(libsndfile=False)
        position += length[0]
    return cut_off(position, size)._replace(libsndfile=False)


def _vint(data: bytes) -> Tuple[Optional[int], int]:
    """An EBML number and its length in bytes; None where all of its bits are set."""
    data = data.ljust(8, b"\0")
    width = 9 - data[0].bit_length() if data[0] else 8
    bits = 7 * width
    value = int.from_bytes(data[:width], "big") & ((1 << bits) - 1)
    return (None if value == (1 << bits) - 1 else value), width


def _asf(file: BinaryIO, size: int) -> Promise:
    header = struct.unpack("<Q", at(file, 16, 8).ljust(8, b"\0"))[0]
    data = struct.unpack("<Q", at(file, header + 16, 8).ljust(8, b"\0"))[0] if header < size else 0
    return cut_off(header + data, size)._replace(libsndfile=False)


_MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


class _Mp3Frame(NamedTuple):
    version: int  # 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5
    layer: int  # 1 stands for layer III
    mono: bool


def _mp3_frame(head: bytes) -> Optional[_Mp3Frame]:
    """The header of a frame of MPEG audio, if it is one."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if version == 1 or layer == 0 or head[2] >> 4 in (0, 15) or head[2] >> 2 & 3 == 3:
        return None
    return _Mp3Frame(version, layer, head[3] >> 6 == 3)


def _mp3(file: BinaryIO, size: int) -> Promise:
    start = 0
    while (tag := at(file, start, 10))[:3] == b"ID3" and len(tag) == 10:
        start += 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]) + (tag[5] >> 4 & 1) * 10
    if start > size:
        return cut_off(start, size)
    if is_adts(at(file, start, 4)):
        return adts(file, size, start)
    frame = _mp3_frame(at(file, start, 4))
    if frame is None or frame.layer != 1:
        return Promise(libsndfile=False)
    count = _mp3_bytes(at(file, start, 64), frame)
    if count is None:  # libsndfile would guess the length from the first frames
        return Promise(libsndfile=False)
    following = at(file, start + count, 4)
    joined = following[:3] == b"ID3" or _mp3_frame(following) is not None
    return cut_off(start + count, size)._replace(libsndfile=not joined)


def _mp3_bytes(data: bytes, frame: _Mp3Frame) -> Optional[int]:
    """Bytes of all frames, where the first frame counts them."""
    side = (17 if frame.mono else 32) if frame.version == 3 else (9 if frame.mono else 17)
    if data[36:40] == b"VBRI":
        return struct.unpack(">I", data[46:50])[0] or None
    if data[4 + side : 8 + side] not in (b"Xing", b"Info"):
        return None
    flags = struct.unpack(">I", data[8 + side : 12 + side])[0]
    if flags & 3 != 3:  # frames and bytes
        return None
    return struct.unpack(">I", data[16 + side : 20 + side])[0] or None


_READERS: Dict[bytes, Callable[[BinaryIO, int], Promise]] = {
    **dict.fromkeys(_LAYOUTS, _chunks),
    b".snd": _au,
    b"OggS": _ogg,
    b"fLaC": _flac,
    b"#!AMR": amr,
    b"wvpk": wavpack,
    b"\x1a\x45\xdf\xa3": _matroska,
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": _asf,
}
