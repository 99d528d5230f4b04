#!/usr/bin/env bash
# Read the AudioFolder into --datadir/{train,valid,test}; train a tokenizer on its captions, for a text encoder from scratch.
set -euo pipefail
. ./path.sh
datadir=${datadir:-data}

if (($# == 0)); then
    echo "local/data.sh: error: give the folder of your corpus: ./run.sh --corpus DIR" >&2
    exit 2
fi
python3 -m espnet_mlclap.bin.prepare_audio_folder --out_dir "${datadir}" "$@"
python3 -m espnet_mlclap.bin.train_tokenizer --data_dir "${datadir}/train" --out "${datadir}/tokenizer.model"
