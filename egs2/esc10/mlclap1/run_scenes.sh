#!/usr/bin/env bash
# Scenes: two or three recordings of ESC-10 in sequence or at the same time, with captions in eight languages that tell
# all of a scene or a part of it. Harder than run.sh, with the same encoders; minutes on two CPU cores.
# `./run_scenes.sh --help` lists the options, with the choices below as defaults.
#
#   ./run_scenes.sh --stage 1 --stop_stage 7                  English captions and all given translations of them
#   ./run_scenes.sh --stage 1 --stop_stage 7 --le_ratio 0     English captions alone
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./mlclap.sh \
    --datadir data/scenes \
    --dumpdir dump/scenes \
    --expdir exp/scenes \
    --train_sets train \
    --valid_set valid \
    --test_sets test \
    --local_data_opts "--set scenes" \
    --local_data_inputs "corpus corpus/grammar local/scenes conf/scenes.yaml" \
    --audio_format original \
    --translator file \
    --given_dir data/scenes/train_given \
    --translation_config conf/translation.yaml \
    --mlclap_config conf/scenes/train.yaml \
    --le_ratio 1.0 \
    --relevant_clips test=data/scenes/relevant_test \
    -- "$@"
