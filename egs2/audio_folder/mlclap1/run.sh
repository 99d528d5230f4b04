#!/usr/bin/env bash
# Your own clips and captions, in the Hugging Face AudioFolder layout:
#
#     ./run.sh --corpus DIR [options]
#
# DIR has train/ and test/ (and perhaps valid/), each with a metadata.csv or metadata.jsonl: file_name, caption, and
# optionally lang (FLORES-200 code) and label; a row is one caption. Or each with shards of KEY.flac and KEY.json
# (WebDataset). `./run.sh --help` lists the options.
set -euo pipefail

arguments=()
for argument; do # --corpus is relative to where you are, not to this folder
    if [[ ${#arguments[@]} -gt 0 && ${arguments[-1]} == --corpus ]]; then
        argument=$(realpath -m -- "${argument}")
    elif [[ ${argument} == --corpus=* ]]; then
        argument=--corpus=$(realpath -m -- "${argument#*=}")
    fi
    arguments+=("${argument}")
done
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./mlclap.sh \
    --train_sets train \
    --valid_set valid \
    --test_sets test \
    --translator none \
    --zero_shot true \
    -- "${arguments[@]}"
