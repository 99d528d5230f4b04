# shellcheck shell=bash
# Where the corpora are on this machine. Fill in, or set the variables before running a recipe.

# Those below are fetched by `mlclap download_corpus audiocaps --out_dir DIR` (clotho, wavcaps), as far
# as they are available; both variables of AudioCaps and of Clotho are then DIR.

# AudioCaps: folder with train.csv, val.csv and test.csv, and test.json for the 957 clips of the paper (DIR/captions_2.0 for
# version 2.0); folder with the clips in train/, val/ and test/ (or all in one)
AUDIOCAPS_CAPTIONS=${AUDIOCAPS_CAPTIONS:-}
AUDIOCAPS_AUDIO=${AUDIOCAPS_AUDIO:-}

# Clotho 2.1: folder with clotho_captions_{development,validation,evaluation}.csv (and clotho_metadata_*.csv); folder with the
# three folders of audio
CLOTHO_CAPTIONS=${CLOTHO_CAPTIONS:-}
CLOTHO_AUDIO=${CLOTHO_AUDIO:-}

# WavCaps (only for pretraining on it): folder json_files; folder with AudioSet_SL, BBC_Sound_Effects, FreeSound, SoundBible
WAVCAPS_CAPTIONS=${WAVCAPS_CAPTIONS:-}  # DIR/json_files after a download
WAVCAPS_AUDIO=${WAVCAPS_AUDIO:-}  # DIR/audio

export AUDIOCAPS_CAPTIONS AUDIOCAPS_AUDIO CLOTHO_CAPTIONS CLOTHO_AUDIO WAVCAPS_CAPTIONS WAVCAPS_AUDIO
