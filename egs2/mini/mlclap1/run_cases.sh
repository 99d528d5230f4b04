#!/usr/bin/env bash
# Four cases side by side: the text encoder from SONAR or from scratch, each with language enhancement (LE) and without.
# Takes the options of run.sh, and --seeds "1 2 3" for means over several trainings; what is done already (by run.sh, or
# by this script before) is not done again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seeds=1
if [[ ${1:-} == --seeds ]]; then
    seeds=${2:?--seeds needs a list such as "1 2 3"}
    shift 2
fi
./run.sh --stage 1 --stop_stage 4 "$@"
cases=()
for init in "" scratch; do
    for le_ratio in "" 0; do
        label="${init:-SONAR}, ${le_ratio:+no }LE"
        options=(${init:+--text_encoder_init "${init}"} ${le_ratio:+--le_ratio "${le_ratio}"})
        for seed in ${seeds}; do
            echo "Case: ${label}, seed ${seed}"
            ./run.sh --stage 5 --stop_stage 7 "$@" "${options[@]}" --seed "${seed}" | tee exp/log/case.txt
            # the stages name the folder of their results
            folder=$(sed -n 's|^Stage 7: .*, \(.*\)/RESULTS.md.*|\1|p' exp/log/case.txt)
            cases+=("${label}=${folder}")
        done
    done
done
. ./path.sh
python3 -m espnet_mlclap.bin.compare "${cases[@]}" --out exp/CASES.md
