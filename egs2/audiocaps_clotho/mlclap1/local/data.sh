#!/usr/bin/env bash
# Read AudioCaps and Clotho from the folders in db.sh into data/: audiocaps_{train,val,test},
# clotho_{development,validation,evaluation}, and `valid`, the validation sets of both.
set -euo pipefail
. ./path.sh
. ./db.sh

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
mapfile -t audiocaps_options < <(given "${AUDIOCAPS_CAPTIONS}"/ml_clap_test*.json)
mapfile -t clotho_options < <(given "${CLOTHO_CAPTIONS}"/ml_clap_test*.json)

python3 -m espnet_mlclap.bin.prepare_audiocaps --captions_dir "${AUDIOCAPS_CAPTIONS}" \
    --audio_dir "${AUDIOCAPS_AUDIO}" --out_dir data "${audiocaps_options[@]}"
python3 -m espnet_mlclap.bin.prepare_clotho --captions_dir "${CLOTHO_CAPTIONS}" \
    --audio_dir "${CLOTHO_AUDIO}" --out_dir data "${clotho_options[@]}"

valid=(data/audiocaps_val)
if [[ -d data/clotho_validation ]]; then valid+=(data/clotho_validation); fi
python3 -m espnet_mlclap.bin.combine_data --data_dirs "${valid[@]}" --out_dir data/valid
