#!/usr/bin/env bash
# Read the AudioFolder into data/{train,valid,test}; train a tokenizer on its captions, for a text encoder from scratch.
set -euo pipefail
. ./path.sh

if (($# == 0)); then
    echo "local/data.sh: error: give the folder of your corpus: ./run.sh --corpus DIR" >&2
    exit 2
fi
python3 -m espnet_mlclap.bin.prepare_audio_folder --out_dir data "$@"
python3 -m espnet_mlclap.bin.train_tokenizer --data_dir data/train --out data/tokenizer.model
