#!/usr/bin/env bash
# Read the AudioFolder into data/{train,valid,test}.
set -euo pipefail
. ./path.sh

if (($# == 0)); then
    echo "local/data.sh: error: give the folder of your corpus: ./run.sh --corpus DIR" >&2
    exit 2
fi
exec python3 -m espnet_mlclap.bin.prepare_audio_folder --out_dir data "$@"
