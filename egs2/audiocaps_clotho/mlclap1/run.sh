#!/usr/bin/env bash
# The paper: CED-Base and SONAR trained on AudioCaps and Clotho with translated captions. db.sh says where the
# corpora lie. `./run.sh --help` lists the options, with the choices below as defaults.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./db.sh

exec ./mlclap.sh \
    --train_sets "audiocaps_train clotho_development" \
    --valid_set valid \
    --test_sets "audiocaps_test clotho_evaluation" \
    --local_data_inputs "${AUDIOCAPS_CAPTIONS} ${CLOTHO_CAPTIONS} ${WAVCAPS_CAPTIONS}" \
    --test_translator sonar \
    --translation_encoder text_sonar_basic_encoder \
    --translation_decoder text_sonar_basic_decoder \
    --ngpu 1 \
    --nj 8 \
    -- "$@"
