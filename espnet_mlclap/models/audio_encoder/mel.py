"""Log-mel spectrogram of CED: 64 bins in dB, 100 frames a second, each clip by itself.

The numbers are those the published CED weights were trained with (arXiv:2308.11957): 16 kHz,
512-point Hann window, hop 160, 64 mel bins between 0 and 8,000 Hz, power, decibels with a floor
120 dB below the loudest value. A clip of n samples has 1 + n // 160 frames, frame i being centred
on sample 160 i; what a window sees beyond either end of the clip is the clip reflected.
"""

from typing import Optional

import torch
import torchaudio

from espnet_mlclap.fileio.audio import HOP_LENGTH, SAMPLING_RATE

N_FFT = 512  # samples, window and transform
N_MELS = 64
TOP_DB = 120.0  # dB between the loudest value and the floor

_AMIN = 1e-10  # power that stands for silence: -100 dB
# Clips are transformed a few at a time: on a CPU few enough to stay in its cache (twice as fast as
# all at once), elsewhere as many as bound the spectrogram to about 110 MB.
_SAMPLES_PER_PASS = {"cpu": 2**19}
_SAMPLES_PER_PASS_ELSEWHERE = 2**23
_FRAMES_PER_PASS = 2**15  # of a long clip: an hour's spectrogram would take gigabytes


def num_frames(num_samples: torch.Tensor) -> torch.Tensor:
    """Frames of clips of so many samples at 16 kHz."""
    return 1 + torch.div(num_samples, HOP_LENGTH, rounding_mode="floor")


class LogMel(torch.nn.Sequential):
    """Waveforms to log-mel features, always in float32 (autocast is switched off inside).

    A `Sequential` because the published checkpoints name the window and the filter bank
    `front_end.0.spectrogram.window` and `front_end.0.mel_scale.fb`.
    """

    def __init__(self) -> None:
        # torchaudio computes its constants by looking at values, which the meta device has not
        with torch.device("cpu"):
            mel = torchaudio.transforms.MelSpectrogram(
                sample_rate=SAMPLING_RATE,
                n_fft=N_FFT,
                win_length=N_FFT,
                hop_length=HOP_LENGTH,
                f_min=0.0,
                f_max=SAMPLING_RATE / 2,
                n_mels=N_MELS,
            )
        super().__init__(mel)

    def forward(self, audio: torch.Tensor, audio_lengths: torch.Tensor) -> torch.Tensor:
        """Features of each clip as if it were alone.

        Args:
            audio: [clips, samples] at 16 kHz in [-1, 1].
            audio_lengths: [clips] samples of each clip; what comes after them is ignored.

        Returns:
            [clips, 1 + samples // 160, 64] in dB, each clip with a floor 120 dB below its own
            maximum. Frames after a clip's last, `num_frames(audio_lengths)`, mean nothing.
        """
        with torch.autocast(audio.device.type, enabled=False):
            parts = zip(self._passes(audio), self._passes(audio_lengths, audio))
            return torch.cat([self._per_clip(*part) for part in parts])

    def with_batch_floor(self, audio: torch.Tensor) -> torch.Tensor:
        """Features as the reference computes them: padding is sound, one floor for the batch.

        Args:
            audio: [clips, samples].

        Returns:
            [clips, 1 + samples // 160, 64] in dB.
        """
        with torch.autocast(audio.device.type, enabled=False):
            lengths = torch.full((len(audio),), audio.size(1), device=audio.device)
            parts = zip(self._passes(audio), self._passes(lengths, audio))
            decibels = torch.cat([self._decibels(*part) for part in parts])
            return decibels.clamp(min=decibels.amax() - TOP_DB)

    def _passes(self, values: torch.Tensor, audio: Optional[torch.Tensor] = None) -> tuple:
        """`values` of the clips, split into those of the clips that are transformed together."""
        audio = values if audio is None else audio
        samples = _SAMPLES_PER_PASS.get(audio.device.type, _SAMPLES_PER_PASS_ELSEWHERE)
        return values.split(max(1, samples // max(1, audio.size(1))))

    def _per_clip(self, audio: torch.Tensor, audio_lengths: torch.Tensor) -> torch.Tensor:
        decibels = self._decibels(audio, audio_lengths)
        frame = torch.arange(decibels.size(1), device=audio.device)
        outside = frame >= num_frames(audio_lengths).unsqueeze(1)  # [clips, frames]
        loudest = decibels.amax(2).masked_fill(outside, -torch.inf).amax(1)  # [clips]
        return decibels.maximum((loudest - TOP_DB)[:, None, None])

    def _decibels(self, audio: torch.Tensor, audio_lengths: torch.Tensor) -> torch.Tensor:
        """[clips, frames, 64] without a floor but -100 dB."""
        audio = _reflect_ends(audio.float(), audio_lengths, N_FFT // 2)
        frames = 1 + (audio.size(1) - N_FFT) // HOP_LENGTH
        blocks = [
            self._decibels_of_frames(audio, first, min(_FRAMES_PER_PASS, frames - first))
            for first in range(0, frames, _FRAMES_PER_PASS)
        ]
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=1)

    def _decibels_of_frames(self, audio: torch.Tensor, first: int, count: int) -> torch.Tensor:
        start = first * HOP_LENGTH
        audio = audio[:, start : start + (count - 1) * HOP_LENGTH + N_FFT]
        spectrum = torch.stft(
            audio,
            N_FFT,
            HOP_LENGTH,
            window=self[0].spectrogram.window,
            center=False,
            return_complex=True,
        ).transpose(1, 2)  # [clips, frames, 257]
        power = spectrum.real.square() + spectrum.imag.square()
        return 10 * (power @ self[0].mel_scale.fb).clamp(min=_AMIN).log10()


def _reflect_ends(audio: torch.Tensor, lengths: torch.Tensor, width: int) -> torch.Tensor:
    """Continue each clip by its mirror image, `width` samples at either end.

    As `torch.nn.functional.pad(mode="reflect")` does for a clip alone, but at the clip's own end
    instead of the batch's, and reflecting repeatedly where a clip is shorter than `width`.

    Returns:
        [clips, width + samples + width]; what comes after a clip's reflection is arbitrary.
    """
    audio = torch.nn.functional.pad(audio, (0, max(0, 1 - audio.size(1))))
    lengths = lengths.clamp(min=1).unsqueeze(1)
    audio = audio.masked_fill(_positions(audio) >= lengths, 0.0)
    reach = torch.arange(1, width + 1, device=audio.device)
    period = (2 * (lengths - 1)).clamp(min=1)

    def mirrored(position: torch.Tensor) -> torch.Tensor:
        position = position.remainder(period)
        return audio.gather(1, torch.minimum(position, period - position).clamp(max=lengths - 1))

    before = mirrored(-reach.flip(0).expand(len(audio), -1))
    behind = mirrored(lengths - 1 + reach)
    padded = torch.cat([before, audio, torch.zeros_like(before)], dim=1)
    return padded.scatter(1, width + lengths - 1 + reach, behind)


def _positions(audio: torch.Tensor) -> torch.Tensor:
    return torch.arange(audio.size(1), device=audio.device)
