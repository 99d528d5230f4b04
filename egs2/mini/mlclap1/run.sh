#!/usr/bin/env bash
# The mini corpus: synthetic sound scenes with captions in eight languages, made here. Minutes on two CPU cores.
# `./run.sh --help` lists the options, with the choices below as defaults.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

exec ./mlclap.sh \
    --train_sets "train_clotho train_audiocaps" \
    --valid_set valid \
    --test_sets test \
    --local_data_inputs "local/mini_corpus local/mini_corpus/languages" \
    --translation_encoder sonar_mini_encoder \
    --translation_decoder sonar_mini_decoder \
    --translation_config conf/translation.yaml \
    --results_note "The corpus is synthetic: sounds made by numpy, captions by a grammar." \
    -- "$@"
