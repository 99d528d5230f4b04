"""Fetch clips of videos: the seconds asked for, as FLAC, through yt-dlp.

Videos vanish, and the site slows eager visitors down. So each clip is asked for several times, a clip that
is not available does not stop the others, and the folder says what is missing and why:

    <name>.flac     a clip, there under this name only when it is complete
    missing.tsv     name, "gone" or "failed", the reason

A clip that is there is not fetched again, and neither is a video that is unavailable (removed, private,
blocked): delete its line, or the file, to ask again. What failed (network, "too many requests", less than the
seconds asked for although the video is long enough) is tried again by the next run.
"""

import logging
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Union

from espnet_mlclap.utils.atomic import atomic_open, make_dir
from espnet_mlclap.utils.errors import UserError
from espnet_mlclap.utils.progress import progress_bar
from espnet_mlclap.utils.reading import read_text

ADDRESS = "https://www.youtube.com/watch?v={video}"
MISSING = "missing.tsv"
_WRITE_EVERY = 10.0  # seconds between two writes of that file
_TOLERANCE = 1.0  # seconds by which a clip may be shorter: the site gives lengths in whole seconds
# words of the answers that asking again does not change ...
_GONE = (
    "video unavailable",
    "private video",
    "has been removed",
    "has been terminated",
    "no longer available",
    "not available",
    "confirm your age",
    "members-only",
    "http error 404",
    "http error 410",
)
# ... unless these are there too: a session that asked for too much, an outdated yt-dlp
_NOT_GONE = ("rate-limit", "try again", "requested format", "on this app", "not a bot")


class VideoClip(NamedTuple):
    """name: of the file, without extension; video: its id; start, seconds: what part of it."""

    name: str
    video: str
    start: float
    seconds: float


class _Missing(NamedTuple):
    state: str  # "gone" or "failed"
    reason: str


def fetch_clips(
    clips: Sequence[VideoClip],
    out_dir: Union[str, Path],
    *,
    jobs: int = 1,
    attempts: int = 3,
    pause: float = 2.0,
    give_up_after: int = 20,
    address: str = ADDRESS,
    options: Optional[Dict[str, object]] = None,
) -> Dict[str, str]:
    """Fetch the clips that are not in `out_dir` yet.

    Args:
        clips: what to fetch.
        out_dir: folder of the clips.
        jobs: clips at a time. More than a few are soon turned away.
        attempts: how often a clip is asked for.
        pause: seconds before the second attempt, doubled before each further one.
        give_up_after: this many failures in a row, without a single clip or a word about it, end the run.
        address: of a video, with {video} where its id goes.
        options: further options of yt-dlp (`cookiefile`, `proxy`, ...).

    Returns:
        The reason for each clip that is missing, by name.

    Raises:
        UserError: yt-dlp or ffmpeg is missing, or nothing can be fetched at all.
    """
    _check_programs()
    out_dir = make_dir(out_dir)
    missing = _read_missing(out_dir)
    wanted = [
        clip
        for clip in clips
        if not (out_dir / f"{clip.name}.flac").exists()
        and not (clip.name in missing and missing[clip.name].state == "gone")
    ]
    logging.info("%s: %d of %d clips to fetch", out_dir, len(wanted), len(clips))
    lock, stop = threading.Lock(), threading.Event()
    in_a_row: List[str] = []
    written = [time.monotonic()]

    def one(clip: VideoClip) -> None:
        if stop.is_set():
            return
        failure = None
        for attempt in range(attempts):
            if attempt and stop.wait(pause * 2 ** (attempt - 1)):
                break
            failure = _fetch(clip, out_dir, address, options or {})
            if failure is None or failure.state == "gone":
                break
        with lock:
            if failure is None:
                missing.pop(clip.name, None)
            else:
                missing[clip.name] = failure
            if failure is None or failure.state == "gone":
                in_a_row.clear()
            else:
                in_a_row.append(failure.reason)
                if len(in_a_row) >= give_up_after:
                    stop.set()
            if time.monotonic() > written[0] + _WRITE_EVERY:
                _write_missing(out_dir, missing)
                written[0] = time.monotonic()
            bar.update(1)

    try:
        with (
            progress_bar("fetching", len(wanted), "clips") as bar,
            ThreadPoolExecutor(jobs) as pool,
        ):
            try:
                list(pool.map(one, wanted))
            except BaseException:
                stop.set()  # the threads end after the clip that they are at
                raise
    finally:
        _write_missing(out_dir, missing)
        shutil.rmtree(out_dir / ".part", ignore_errors=True)
    if stop.is_set():
        raise UserError(
            f"{out_dir}: {len(in_a_row)} clips in a row could not be fetched ({in_a_row[-1]}). What is "
            "there is kept; wait an hour or look at the network, then run the same command again."
        )
    names = {clip.name for clip in clips}
    return {name: entry.reason for name, entry in sorted(missing.items()) if name in names}


def _check_programs() -> None:
    try:
        import yt_dlp  # noqa: F401
    except ImportError as error:
        raise UserError("fetching videos needs yt-dlp: pip install yt-dlp.") from error
    if shutil.which("ffmpeg") is None:
        raise UserError("fetching videos needs ffmpeg: install the Debian package ffmpeg.")


def _fetch(
    clip: VideoClip, out_dir: Path, address: str, options: Dict[str, object]
) -> Optional[_Missing]:
    """Fetch one clip; None if it is there now."""
    import yt_dlp

    folder = out_dir / ".part" / clip.name
    shutil.rmtree(folder, ignore_errors=True)
    settings = {
        "format": "bestaudio/best",
        "outtmpl": str(folder / "clip.%(ext)s"),
        "download_ranges": yt_dlp.utils.download_range_func(
            None, [(clip.start, clip.start + clip.seconds)]
        ),
        "force_keyframes_at_cuts": True,  # cut where asked, not at the next packet
        "postprocessors": [{"key": "FFmpegExtractAudio", "preferredcodec": "flac"}],
        "external_downloader_args": {"ffmpeg": ["-nostdin", "-loglevel", "fatal"]},
        "logger": _Silent(),
        "noprogress": True,
        "noplaylist": True,
        "cachedir": False,
        "retries": 0,
        **options,
    }
    try:
        with yt_dlp.YoutubeDL(settings) as downloader:
            video = downloader.extract_info(address.format(video=clip.video)) or {}
    except yt_dlp.utils.YoutubeDLError as error:
        reason = " ".join(str(error).removeprefix("ERROR: ").split())
        return _Missing("gone" if _is_gone(reason.lower()) else "failed", reason[:300])
    except OSError as error:
        return _Missing("failed", f"{type(error).__name__}: {error}")
    found = folder / "clip.flac"
    if not found.is_file() or found.stat().st_size == 0:
        return _Missing("failed", "yt-dlp wrote no audio")
    problem = _too_short(found, clip, video.get("duration"))
    if problem is not None:
        return problem
    found.replace(out_dir / f"{clip.name}.flac")
    return None


def _is_gone(reason: str) -> bool:
    return any(words in reason for words in _GONE) and not any(
        words in reason for words in _NOT_GONE
    )


def _too_short(path: Path, clip: VideoClip, duration: Optional[float]) -> Optional[_Missing]:
    """What is wrong with the length of a clip that was fetched; `duration`: of the video, if known."""
    import soundfile

    if duration is not None and duration <= clip.start:
        return _Missing("gone", f"the video ends after {duration:g} s, before {clip.start:g} s")
    wanted = clip.seconds if duration is None else min(clip.seconds, duration - clip.start)
    have = soundfile.info(path).duration
    if have < wanted - _TOLERANCE:
        return _Missing("failed", f"broken off: {have:.1f} of {wanted:.1f} s arrived")
    return None


class _Silent:
    """Takes yt-dlp's messages; what went wrong comes as an exception."""

    def debug(self, message: str) -> None:
        """Drop it."""

    info = warning = error = debug


def _read_missing(out_dir: Path) -> Dict[str, _Missing]:
    path = out_dir / MISSING
    missing = {}
    if path.exists():
        for number, line in enumerate(read_text(path).splitlines(), 1):
            fields = line.split("\t")
            if len(fields) != 3:
                raise UserError(f"{path}:{number}: not of the form name, state, reason. Delete it.")
            missing[fields[0]] = _Missing(*fields[1:])
    return missing


def _write_missing(out_dir: Path, missing: Dict[str, _Missing]) -> None:
    with atomic_open(out_dir / MISSING) as file:
        for name, entry in sorted(missing.items()):
            file.write(f"{name}\t{entry.state}\t{entry.reason}\n")
