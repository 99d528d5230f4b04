# shellcheck shell=bash
# Where the corpora lie on this machine. Fill in, or set the variables before running a recipe.

# AudioCaps: folder with train.csv, val.csv and test.csv; folder with the clips in train/, val/ and test/ (or all in one)
AUDIOCAPS_CAPTIONS=${AUDIOCAPS_CAPTIONS:-}
AUDIOCAPS_AUDIO=${AUDIOCAPS_AUDIO:-}

# Clotho 2.1: folder with clotho_captions_{development,validation,evaluation}.csv; folder with the three folders of audio
CLOTHO_CAPTIONS=${CLOTHO_CAPTIONS:-}
CLOTHO_AUDIO=${CLOTHO_AUDIO:-}

export AUDIOCAPS_CAPTIONS AUDIOCAPS_AUDIO CLOTHO_CAPTIONS CLOTHO_AUDIO
