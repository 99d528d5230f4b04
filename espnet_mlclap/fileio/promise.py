"""What a file of audio promises about itself, whatever its container."""

from typing import BinaryIO, NamedTuple, Optional

#: Bytes that may be missing: some programs count a header as sound.
SLACK = 64


class Promise(NamedTuple):
    """What the container says.

    Attributes:
        problem: why the file cannot be used; empty if it is complete as far as can be seen.
        libsndfile: whether libsndfile reads all of it. If not, another decoder is needed.
        frames: samples of each channel, where the container knows that for sure.
    """

    problem: str = ""
    libsndfile: bool = True
    frames: Optional[int] = None


def at(file: BinaryIO, position: int, count: int) -> bytes:
    """So many bytes from a position on, or what is left of them."""
    file.seek(position)
    return file.read(count)


def cut_off(end: int, size: int) -> Promise:
    """Of a file of `size` bytes whose sound ends at `end`."""
    missing = end - size
    if missing <= SLACK:
        return Promise()
    share = 100 * missing / end
    return Promise(
        f"cut off: {missing} of the {end} bytes that it should have are missing ({share:.0f} %)"
    )
