"""Files of frames, one after the other, each with its length: a frame without its end is seen.

AAC in ADTS (ISO 13818-7), AMR in its storage format (RFC 4867), and the blocks of WavPack, which count their
samples too. libsndfile reads none of them.
"""

import mmap
import struct
from typing import BinaryIO

from espnet_mlclap.fileio.promise import Promise, at

_CUT = Promise("cut off in the middle of a frame", libsndfile=False)
_WHOLE = Promise(libsndfile=False)
# bytes of a frame by its type, without its first byte
_AMR = (12, 13, 15, 17, 19, 20, 26, 31, 5, 6, 5, 5, 0, 0, 0, 0)
_AMR_WIDE = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0)
_UNKNOWN = 0xFFFF_FFFF  # samples of a WavPack whose writer could not go back


def is_adts(head: bytes) -> bool:
    """Is this the beginning of a frame of AAC?"""
    return len(head) > 3 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 15 < 13


def adts(file: BinaryIO, size: int, start: int = 0) -> Promise:
    """Frames of AAC from `start` on."""
    with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
        position = start
        while position + 7 <= size:
            if not is_adts(data[position : position + 4]):  # a tag, or damaged: the decoder decides
                return _WHOLE
            length = (
                (data[position + 3] & 3) << 11 | data[position + 4] << 3 | data[position + 5] >> 5
            )
            if length < 7:
                return _WHOLE
            position += length
        cut = position > size or data[position : position + 1] == b"\xff"
    return _CUT if cut else _WHOLE


def amr(file: BinaryIO, size: int) -> Promise:
    """Frames of AMR or AMR-WB, of one channel."""
    wide = at(file, 0, 9) == b"#!AMR-WB\n"
    position, sizes = (9, _AMR_WIDE) if wide else (6, _AMR)
    if not wide and at(file, 0, 6) != b"#!AMR\n":  # of several channels
        return _WHOLE
    with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
        while position < size:
            position += 1 + sizes[data[position] >> 3 & 15]
    return _CUT if position > size else _WHOLE


def wavpack(file: BinaryIO, size: int) -> Promise:
    """Blocks of WavPack; the first one counts the samples of all."""
    low, high = struct.unpack("<I", at(file, 12, 4).ljust(4, b"\0"))[0], at(file, 11, 1)
    position = 0
    while (head := at(file, position, 8))[:4] == b"wvpk":
        if len(head) < 8:
            return _CUT
        position += 8 + struct.unpack("<I", head[4:])[0]
    if position > size:
        return _CUT
    frames = None if low == _UNKNOWN else low + (int.from_bytes(high, "little") << 32)
    return _WHOLE._replace(frames=frames or None)
