#!/usr/bin/env bash
# ESC-10: real recordings with captions in eight languages, real encoders that are not trained, two small projections
# that are. Minutes on two CPU cores. `make -C tools esc10` installs the encoders and runs this.
# `./run.sh --help` lists the options, with the choices below as defaults.
#
#   ./run.sh --stage 1 --stop_stage 7                  English captions and all given translations of them
#   ./run.sh --stage 1 --stop_stage 7 --le_ratio 0     English captions alone
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./mlclap.sh \
    --train_sets train \
    --valid_set valid \
    --test_sets test \
    --local_data_inputs corpus \
    --audio_format original \
    --translator file \
    --given_dir data/train_given \
    --translation_config conf/translation.yaml \
    --le_ratio 1.0 \
    --zero_shot true \
    --zero_shot_prompts data/prompts.tsv \
    --relevant_clips test=data/relevant_test \
    --inference_model latest.pth \
    -- "$@"
