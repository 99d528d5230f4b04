#!/usr/bin/env bash
# Read AudioCaps and Clotho from the folders in db.sh into --datadir: audiocaps_{train,val,test},
# clotho_{development,validation,evaluation}, and `valid`, the validation sets of both; and WavCaps, where db.sh names it:
# wavcaps_{audioset,bbc,freesound,soundbible}, without what the validation and test sets have.
#
#     --test_list FILE        AudioCaps' test clips to take, one per line, instead of all
set -euo pipefail
. ./path.sh
. ./db.sh
datadir=${datadir:-data}

for name in AUDIOCAPS_CAPTIONS AUDIOCAPS_AUDIO CLOTHO_CAPTIONS CLOTHO_AUDIO; do
    if [[ -z ${!name} ]]; then
        echo "local/data.sh: error: ${name} is not set. Fill in db.sh, or set it: ${name}=/path ./run.sh" >&2
        exit 2
    fi
done

given() { # TEST_SET_JSON...: options for the files of given test captions
    local path
    for path; do
        if [[ -f ${path} ]]; then printf '%s\n%s\n' --test_captions "${path}"; fi
    done
}
prepare() { # CORPUS CAPTIONS AUDIO OPTIONS...
    python3 -m espnet_mlclap.bin.prepare_corpus "$1" --captions_dir "$2" --audio_dir "$3" --out_dir "${datadir}" "${@:4}"
}
mapfile -t audiocaps_options < <(given "${AUDIOCAPS_CAPTIONS}"/{test,ml_clap_test*}.json)
mapfile -t clotho_options < <(given "${CLOTHO_CAPTIONS}"/ml_clap_test*.json)
prepare audiocaps "${AUDIOCAPS_CAPTIONS}" "${AUDIOCAPS_AUDIO}" "${audiocaps_options[@]}" "$@"
prepare clotho "${CLOTHO_CAPTIONS}" "${CLOTHO_AUDIO}" "${clotho_options[@]}"

valid=("${datadir}/audiocaps_val")
if [[ -d ${datadir}/clotho_validation ]]; then valid+=("${datadir}/clotho_validation"); fi
python3 -m espnet_mlclap.bin.combine_data --data_dirs "${valid[@]}" --out_dir "${datadir}/valid"

if [[ -n ${WAVCAPS_CAPTIONS} && -n ${WAVCAPS_AUDIO} ]]; then
    prepare wavcaps "${WAVCAPS_CAPTIONS}" "${WAVCAPS_AUDIO}" --exclude "${datadir}/valid" \
        --exclude "${datadir}/audiocaps_test" --exclude "${datadir}/clotho_evaluation"
fi
