"""How clips come to a model: as samples at 16 kHz or features, unless the audio encoder says otherwise."""

from typing import ClassVar, Iterable, List, Sequence

import numpy as np

from espnet_mlclap.fileio.audio import Waveform, load_clip, to_mono


class ClipReader:
    """Reads the clips of formatted sets; picklable, because the data workers call it.

    Every audio encoder has one (`AbsAudioEncoder.reader`). What it gives is padded and handed to the encoder.

    Attributes:
        croppable: whether a piece of what it gives is what it would give of a piece of the clip.
        by_waveform: whether `of_waveform` gives what a clip's location does; not where clips are looked up.
    """

    croppable: ClassVar[bool] = True
    by_waveform: bool = True

    def __call__(self, location: str) -> np.ndarray:
        """One clip: [samples] float32 at 16 kHz, or [frames, mel bins].

        Args:
            location: an entry of `wav.scp`: a file, or `archive.ark:offset`.

        Raises:
            AudioError: it cannot be read.
        """
        return load_clip(location)

    def of_waveform(self, waveform: Waveform) -> np.ndarray:
        """The same for samples that are in memory already, of any rate and number of channels."""
        return to_mono(waveform)

    def prepare(self, locations: Iterable[str]) -> None:
        """Called with all clips of a set before they are read one by one; here there is nothing to do."""

    def many(self, locations: Sequence[str]) -> List[np.ndarray]:
        """Several clips."""
        return [self(location) for location in locations]
