#!/usr/bin/env bash
# Four cases side by side: the text encoder from SONAR or from scratch, each with language enhancement (LE) and without.
#
#     ./run_cases.sh --seeds "1 2 3"    means over several trainings (default: seed 1)
#
# Other options go to run.sh, which `./run.sh --help` lists. What is done already (by run.sh, or by this script before)
# is not done again. The table is CASES.md in --expdir.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seeds=1 expdir=exp options=()
while (($#)); do
    case $1 in
        --help | -h) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]##*/}" && exit ;;
        --seeds=* | --expdir=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
        --seeds) seeds=${2:?--seeds needs a list such as \"1 2 3\"} && shift 2 ;;
        --expdir) expdir=${2:?--expdir needs a folder} && shift 2 ;;
        *) options+=("$1") && shift ;;
    esac
done
options+=(--expdir "${expdir}")

./run.sh --stage 1 --stop_stage 4 "${options[@]}"
cases=()
for init in "" scratch; do
    for le_ratio in "" 0; do
        label="${init:-SONAR}, ${le_ratio:+no }LE"
        case=(${init:+--text_encoder_init "${init}"} ${le_ratio:+--le_ratio "${le_ratio}"})
        for seed in ${seeds}; do
            echo "Case: ${label}, seed ${seed}"
            ./run.sh --stage 5 --stop_stage 7 "${options[@]}" "${case[@]}" --seed "${seed}"
            folder=$(./run.sh "${options[@]}" "${case[@]}" --seed "${seed}" --print_plan inference)
            cases+=("${label}=${folder}")
        done
    done
done
. ./path.sh
python3 -m espnet_mlclap.bin.compare "${cases[@]}" --out "${expdir}/CASES.md"
