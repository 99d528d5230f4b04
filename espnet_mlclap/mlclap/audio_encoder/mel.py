"""Log-mel spectrogram of CED: 64 bins in dB, 100 frames a second, each clip by itself.

The numbers are those the published CED weights were trained with (arXiv:2308.11957): 16 kHz,
512-point Hann window, hop 160, 64 mel bins between 0 and 8,000 Hz, power, decibels with a floor
120 dB below the loudest value. A clip of n samples has 1 + n // 160 frames, frame i being centred
on sample 160 i; what a window sees beyond either end of the clip is the clip reflected.
"""

import torch
import torchaudio

SAMPLE_RATE = 16_000  # Hz
HOP_LENGTH = 160  # samples
N_FFT = 512  # samples, window and transform
N_MELS = 64
TOP_DB = 120.0  # dB between the loudest value and the floor

_AMIN = 1e-10  # power that stands for silence: -100 dB
_SAMPLES_PER_PASS = 2**23  # bounds the spectrogram to about 110 MB, if no clip is longer than that


def num_frames(num_samples: torch.Tensor) -> torch.Tensor:
    """Frames of clips of so many samples at 16 kHz."""
    return 1 + torch.div(num_samples, HOP_LENGTH, rounding_mode="floor")


class LogMel(torch.nn.Sequential):
    """Waveforms to log-mel features, always in float32 (autocast is switched off inside).

    A `Sequential` because the published checkpoints name the window and the filter bank
    `front_end.0.spectrogram.window` and `front_end.0.mel_scale.fb`.
    """

    def __init__(self) -> None:
        super().__init__(
            torchaudio.transforms.MelSpectrogram(
                sample_rate=SAMPLE_RATE,
                n_fft=N_FFT,
                win_length=N_FFT,
                hop_length=HOP_LENGTH,
                f_min=0.0,
                f_max=SAMPLE_RATE / 2,
                n_mels=N_MELS,
            )
        )

    def forward(self, audio: torch.Tensor, audio_lengths: torch.Tensor) -> torch.Tensor:
        """Features of each clip as if it were alone.

        Args:
            audio: [clips, samples] at 16 kHz in [-1, 1].
            audio_lengths: [clips] samples of each clip; what lies behind them is ignored.

        Returns:
            [clips, 1 + samples // 160, 64] in dB, each clip with a floor 120 dB below its own
            maximum. Frames behind a clip's last, `num_frames(audio_lengths)`, mean nothing.
        """
        clips = max(1, _SAMPLES_PER_PASS // max(1, audio.size(1)))
        parts = zip(audio.split(clips), audio_lengths.split(clips))
        return torch.cat([self._per_clip(*part) for part in parts])

    def with_batch_floor(self, audio: torch.Tensor) -> torch.Tensor:
        """Features as the reference computes them: padding is sound, one floor for the batch.

        Args:
            audio: [clips, samples], 257 samples or more (it is padded with zeros up to that).

        Returns:
            [clips, 1 + samples // 160, 64] in dB.
        """
        with torch.autocast(audio.device.type, enabled=False):
            frames = 1 + audio.size(1) // HOP_LENGTH
            missing = max(0, N_FFT // 2 + 1 - audio.size(1))
            power = self[0](torch.nn.functional.pad(audio.float(), (0, missing)))
            decibels = torchaudio.functional.amplitude_to_DB(power, 10.0, _AMIN, 0.0, TOP_DB)
            return decibels.transpose(1, 2)[:, :frames]

    def _per_clip(self, audio: torch.Tensor, audio_lengths: torch.Tensor) -> torch.Tensor:
        spectrogram = self[0].spectrogram
        with torch.autocast(audio.device.type, enabled=False):
            audio = _reflect_ends(audio.float(), audio_lengths, N_FFT // 2)
            power = torchaudio.functional.spectrogram(
                audio,
                pad=0,
                window=spectrogram.window,
                n_fft=N_FFT,
                hop_length=HOP_LENGTH,
                win_length=N_FFT,
                power=2.0,
                normalized=False,
                center=False,
            )
            mel = self[0].mel_scale(power).transpose(1, 2)  # mel: [clips, frames, 64]
            decibels = torchaudio.functional.amplitude_to_DB(mel, 10.0, _AMIN, 0.0)
            frame = torch.arange(decibels.size(1), device=audio.device)
            outside = frame >= num_frames(audio_lengths).unsqueeze(1)  # [clips, frames]
            loudest = decibels.amax(2).masked_fill(outside, -torch.inf).amax(1)  # [clips]
            return decibels.maximum((loudest - TOP_DB)[:, None, None])


def _reflect_ends(audio: torch.Tensor, lengths: torch.Tensor, width: int) -> torch.Tensor:
    """Continue each clip by its mirror image, `width` samples at either end.

    As `torch.nn.functional.pad(mode="reflect")` does for a clip alone, but at the clip's own end
    instead of the batch's, and reflecting repeatedly where a clip is shorter than `width`.

    Returns:
        [clips, width + samples + width]; what lies behind a clip's reflection is arbitrary.
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
