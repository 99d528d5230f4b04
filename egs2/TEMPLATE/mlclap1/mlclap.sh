#!/usr/bin/env bash
# Train and score a multilingual audio-text retrieval model: the engine of the recipes in egs2/*/mlclap1.
#
# A recipe's run.sh calls it with the recipe's choices. Stages:
#   1 data preparation          local/data.sh makes data/<set>
#   2 language enhancement      translations of the training captions in data/<set>_le
#   3 audio formatting          dump/<format>/<set>: mono, 16 kHz, or log-mel features
#   4 checks and statistics     lengths, duplicates, leakage between training and test, counts
#   5 training                  exp/<experiment>
#   6 embeddings                of the clips and captions of each test set
#   7 scoring                   tables, figures, RESULTS.md, scores.json
#   8 packing                   the model in one file
#   9 upload                    of that file to the Hugging Face hub, only with --hf_repo
# Every stage can be run again: what is done is skipped, what was killed goes on where it was.
# shellcheck disable=SC2329  # the stages are called by their numbers
set -euo pipefail

# --- options
## Stages
stage=1                # {1..9} first stage to run
stop_stage=7           # {1..9} last stage to run
nj=2                   # {1..} processes for audio formatting, and for translation without a GPU or by --translator chat
ngpu=0                 # {0..} GPUs for translation, training and embedding; 0: the CPU
cpu_ranks=1            # {1..} with --ngpu 0, processes that share the training (torchrun, gloo)
## Data
train_sets=            # names of the training sets in data/
train_weights=         # weight of each training set, such as "1 0.5 2": how often an epoch uses its captions (default: once)
valid_set=             # name of the validation set
test_sets=             # names of the test sets
corpus=                # folder of a corpus of your own, for the recipe audio_folder
local_data_opts=       # further options handed to local/data.sh
local_data_inputs=     # files and folders that local/data.sh reads: stage 1 runs again when they change
always_prepare=false   # {true|false} run stage 1 even if nothing seems to have changed (clips may have arrived)
langs="eng_Latn fra_Latn deu_Latn spa_Latn nld_Latn cat_Latn jpn_Jpan zho_Hans"  # all languages, the source first
audio_format=flac      # {flac|flac.ark|log_mel.ark|original} how formatted audio is stored; original: left where it is, at its own rate
skip_bad_audio=false   # {true|false} go on without clips that cannot be read, and list them
dumpdir=dump           # folder for formatted audio
## Language enhancement (LE)
translator=sonar       # {sonar|file|huggingface|chat|package.module:Class|none} who translates the training captions
translation_encoder=   # fairseq2 asset name of SONAR's text encoder
translation_decoder=   # fairseq2 asset name of SONAR's text decoder
translation_config=    # YAML file of the translator (batch size, beam, filters)
given_dir=             # with --translator file: folder of the given translations
le_ratio=0.1           # {0-1} probability that an epoch uses a translated caption; 0: none are made
le_langs=              # languages of LE (default: all of --langs but the source)
reference_dir=         # folder of good translations (text, utt2clip, utt2lang), for chrF in quality.md
test_translator=none   # {none|sonar|file|huggingface|chat|package.module:Class} who translates the test captions into those of --langs that they lack
## Training
mlclap_config=conf/train.yaml  # model and training configuration
mlclap_args=           # further options for training, e.g. "--max_epoch 2"
mlclap_tag=            # name of the experiment (default: made from the options)
init_param=            # checkpoint whose weights training starts from (fine-tuning), as ESPnet's option of this name
text_encoder_init=     # {pretrained|scratch} where the text encoder starts (default: as in the configuration)
seed=1                 # {0..} seed of training
expdir=exp             # folder for experiments
statsdir=              # folder for the statistics of stage 4 (default: stats in --expdir)
## Test, packing, upload
inference_model=valid.mAP@10.best.pth  # checkpoint to test
inference_tag=         # name of the folder of results (default: made from --inference_model)
zero_shot=false        # {true|false} also classify the clips of labelled test sets by the captions of the classes
results_note=          # what a reader of RESULTS.md must know first
hf_repo=               # user/name on the Hugging Face hub, for stage 9
# --- end of options

command_line="${0##*/} $*"
. scripts/options.sh
. scripts/jobs.sh
parse_options "${BASH_SOURCE[0]}" "$@"
if ((stage > 1)) && [[ -f data/.corpus && $(<data/.corpus) != "${corpus}" ]]; then
    option_error "data/ holds the corpus '$(<data/.corpus)', not '${corpus}'. Run from --stage 1 on."
fi
((stage <= stop_stage)) || option_error "--stage ${stage} lies behind --stop_stage ${stop_stage}."
for name in train_sets valid_set test_sets langs; do
    [[ -n ${!name} ]] || option_error "--${name} must be given."
done
for name in mlclap_config translation_config init_param; do
    [[ -z ${!name} || -f ${!name} ]] || option_error "--${name} ${!name}: no such file in ${PWD}."
done
if [[ -n ${train_weights} && $(wc -w <<<"${train_weights}") != $(wc -w <<<"${train_sets}") ]]; then
    option_error "--train_weights '${train_weights}': one weight for each of '${train_sets}' is needed."
fi
. ./path.sh
. ./cmd.sh

read -ra train <<<"${train_sets}"
read -ra tests <<<"${test_sets}"
read -r source_lang target_langs <<<"${langs}"
le_langs=${le_langs:-${target_langs}}
if [[ ${translator} == none || -z ${le_langs} ]]; then le_ratio=0; fi
uses_le() { [[ ! ${le_ratio} =~ ^0*\.?0*$ ]]; }
translates_test() { [[ ${test_translator} != none && -n ${target_langs} ]]; }
if [[ -z ${mlclap_tag} ]]; then
    mlclap_tag=$(basename "${mlclap_config}" .yaml)${text_encoder_init:+_${text_encoder_init}}
    if [[ -n ${corpus} ]]; then mlclap_tag=$(basename "${corpus}" | tr -cs 'A-Za-z0-9.\n' '_')_${mlclap_tag}; fi
    if uses_le; then mlclap_tag+=_le${le_ratio}; else mlclap_tag+=_no_le; fi
    if uses_le && [[ ${le_langs} != "${target_langs}" ]]; then mlclap_tag+=_${le_langs// /_}; fi
    for name in langs translator train_sets valid_set; do # what is not the recipe's choice
        if chosen "${name}"; then mlclap_tag+=_${!name//[ :]/_}; fi
    done
    if chosen translation_config; then mlclap_tag+=_$(basename "${translation_config}" .yaml); fi
    if [[ -n ${train_weights} ]]; then mlclap_tag+=_weights${train_weights// /_}; fi
    if [[ -n ${init_param} ]]; then mlclap_tag+=_from_$(basename "$(dirname "${init_param}")"); fi
    if [[ ${audio_format} != flac ]]; then mlclap_tag+=_${audio_format}; fi
    if [[ -n ${mlclap_args} ]]; then mlclap_tag+=_$(tr -cs 'A-Za-z0-9.\n' '_' <<<"${mlclap_args#--}"); fi
    if ((${#mlclap_tag} > 150)); then # a file name holds 255 bytes
        mlclap_tag=${mlclap_tag:0:120}_$(sha256sum <<<"${mlclap_tag}" | cut -c 1-12)
    fi
    mlclap_tag+=_seed${seed}
fi
inference_tag=${inference_tag:-$(basename "${inference_model}" .pth)}
device=cpu
if ((ngpu > 0)); then device=cuda; fi
formatted=${dumpdir}/${audio_format}
experiment=${expdir}/mlclap_${mlclap_tag}
statsdir=${statsdir:-${expdir}/stats}
inference=${experiment}/${inference_tag}
packed=${experiment}/mlclap_${mlclap_tag}.zip

translation="${translator} translates captions into ${le_langs}"
if ! uses_le; then translation="none for training (--le_ratio 0, --translator none or one language)"; fi
titles=("" "data preparation: local/data.sh makes data/{$(tr ' ' , <<<"${train_sets} ${valid_set} ${test_sets}")}"
    "language enhancement: ${translation}"
    "audio formatting: mono, 16 kHz, as ${audio_format} in ${formatted}"
    "checks and statistics of the data"
    "training of ${experiment}"
    "embeddings of the test sets ${test_sets}"
    "scoring: tables, figures, ${inference}/RESULTS.md"
    "packing into ${packed}"
    "upload to the Hugging Face hub")

stage_1() {
    local set
    for set in "${train[@]}" "${valid_set}" "${tests[@]}"; do
        if [[ ! -d data/${set} ]]; then rm -f data/.made; fi
    done
    if [[ ${always_prepare} == true ]]; then rm -f data/.made; fi
    local -a inputs options
    read -ra options <<<"${local_data_opts}"
    read -ra inputs <<<"local db.sh conf/corpus.yaml ${local_data_inputs}"
    if [[ -n ${corpus} ]]; then
        options+=(--corpus "${corpus}" --skip_bad_audio "${skip_bad_audio}") inputs+=("${corpus}"/*/metadata.*)
    fi
    mkdir -p data
    echo "${corpus}" >data/.corpus
    once data/.made "${expdir}/log/prepare.log" "" bash local/data.sh "${options[@]}"
    for set in "${train[@]}" "${valid_set}" "${tests[@]}"; do
        [[ -d data/${set} ]] || { echo "local/data.sh made no data/${set}" >&2; return 1; }
    done
}

translate() {  # SET LANGUAGES TRANSLATOR OPTIONS...
    local out=data/${1}_le
    local -a inputs=("data/$1" "${MLCLAP_ROOT}/conf/translation.yaml")
    local -a options=(--source_lang "${source_lang}" --langs "$2" --translator "$3" "${@:4}")
    if [[ -n ${translation_encoder} ]]; then options+=(--encoder "${translation_encoder}"); fi
    if [[ -n ${translation_decoder} ]]; then options+=(--decoder "${translation_decoder}"); fi
    if [[ -n ${given_dir} ]]; then options+=(--given_dir "${given_dir}") inputs+=("${given_dir}"); fi
    if [[ -n ${translation_config} ]]; then
        options+=(--config "${translation_config}") inputs+=("${translation_config}")
    fi
    if [[ -n ${reference_dir} ]]; then options+=(--reference_dir "${reference_dir}") inputs+=("${reference_dir}"); fi
    if ((ngpu == 0)) || [[ $3 == chat || $3 == file ]]; then
        options+=(--nj "${nj}")
    else
        options+=(--nj "${ngpu}") # one for each GPU
    fi
    once "${out}/.made" "${expdir}/log/translate_$1.log" "${translate_cmd}" \
        python3 -m espnet_mlclap.bin.translate --data_dir "data/$1" --out_dir "${out}" --device "${device}" "${options[@]}"
}

stage_2() {
    local set
    if uses_le; then
        for set in "${train[@]}"; do translate "${set}" "${le_langs}" "${translator}"; done
    fi
    if translates_test; then
        for set in "${tests[@]}"; do translate "${set}" "${target_langs}" "${test_translator}" --test_set true; done
    fi
}

stage_3() {
    local set
    for set in "${train[@]}" "${valid_set}" "${tests[@]}"; do
        local -a inputs=("data/${set}") options=()
        if translates_test && [[ " ${test_sets} " == *" ${set} "* ]]; then
            options=(--more_captions "data/${set}_le")
            inputs+=(data/"${set}"_le/{text,utt2clip,utt2lang})
        fi
        once "${formatted}/${set}/.made" "${expdir}/log/format_${set}.log" "${data_cmd}" \
            python3 -m espnet_mlclap.bin.format_audio --data_dir "data/${set}" --out_dir "${formatted}/${set}" \
            --audio_format "${audio_format}" --skip_bad_audio "${skip_bad_audio}" --nj "${nj}" "${options[@]}"
        if [[ -s ${formatted}/${set}/bad_audio.txt ]]; then
            echo "  $(wc -l <"${formatted}/${set}/bad_audio.txt") clips left out: ${formatted}/${set}/bad_audio.txt"
        fi
    done
}

add_training_sets() { # and their translations, to the caller's arrays `options` and `inputs`
    local set
    for set in "${train[@]}"; do
        options+=(--train_data_dir "${formatted}/${set}") inputs+=("${formatted}/${set}")
        if uses_le; then
            options+=(--le_data_dir "data/${set}_le")
            inputs+=(data/"${set}"_le/{text,utt2clip,utt2lang})
        fi
    done
}

stage_4() {
    local set
    local -a inputs=() options=()
    add_training_sets
    for set in "${valid_set}" "${tests[@]}"; do
        options+=(--test_data_dir "${formatted}/${set}") inputs+=("${formatted}/${set}")
    done
    once "${statsdir}/.made" "${expdir}/log/check_data.log" "${data_cmd}" \
        python3 -m espnet_mlclap.bin.check_data "${options[@]}" --out_dir "${statsdir}"
    cat "${statsdir}/statistics.txt"
}

# the training configuration, the files that it is based on (`base: ../train.yaml`), files and folders that they name
config_files() {
    local file=${mlclap_config} base path
    while [[ -f ${file} ]]; do
        echo "${file}"
        while read -r path; do
            if [[ -e ${path} ]]; then echo "${path}"; fi
        done < <(grep -v '^base:' "${file}" | sed 's/#.*//' | grep -oE '[A-Za-z0-9_.-]*/[A-Za-z0-9_./-]+')
        base=$(sed -nE "s/^base: *[\"']?([^\"' #]+).*/\1/p" "${file}")
        if [[ -z ${base} ]]; then break; fi
        file=$(dirname "${file}")/${base}
    done
}

stage_5() {
    local weight
    local -a inputs options=() launcher=(python3) more
    local -a outdated=("${experiment}"/{checkpoint.pth,*epoch.pth,*/scores.json})
    mapfile -t inputs < <(config_files)
    inputs+=("${formatted}/${valid_set}")
    add_training_sets
    for weight in ${train_weights}; do options+=(--train_data_weight "${weight}"); done
    if uses_le; then options+=(--le_langs "${le_langs}"); fi
    if [[ -n ${init_param} ]]; then options+=(--init_param "${init_param}") inputs+=("${init_param}"); fi
    if [[ -n ${text_encoder_init} ]]; then options+=(--text_encoder_conf "init=${text_encoder_init}"); fi
    if ((ngpu > 1)); then
        options+=(--multiprocessing_distributed true)
    elif ((ngpu == 0 && cpu_ranks > 1)); then
        launcher=(torchrun --standalone --nproc_per_node "${cpu_ranks}")
        options+=(--dist_backend gloo --multiprocessing_distributed false)
    fi
    read -ra more <<<"${mlclap_args}"
    local resumes=${experiment}/checkpoint.pth
    mkdir -p "${experiment}"
    printf '# %s\n%s\n' "$(date '+%F %T')" "${command_line}" >"${experiment}/run.sh.txt"
    once "${experiment}/.made" "${experiment}/train.log" "${train_cmd}" \
        "${launcher[@]}" -m espnet_mlclap.bin.train --config "${mlclap_config}" --output_dir "${experiment}" \
        --valid_data_dir "${formatted}/${valid_set}" "${options[@]}" --le_ratio "${le_ratio}" \
        --seed "${seed}" --ngpu "${ngpu}" --resume true "${more[@]}"
}

stage_6() {
    local set
    for set in "${tests[@]}"; do
        local -a inputs=("${formatted}/${set}" "${experiment}/config.yaml" "${experiment}/${inference_model}")
        once "${inference}/${set}/.made" "${inference}/log/embed_${set}.log" "${embed_cmd}" \
            python3 -m espnet_mlclap.bin.embed --model_dir "${experiment}" --model_file "${inference_model}" \
            --data_dir "${formatted}/${set}" --out_dir "${inference}/${set}" --device "${device}"
    done
}

stage_7() {
    local set
    run_job "${inference}/log/score.log" "" python3 -m espnet_mlclap.bin.score --inference_dir "${inference}" \
        --source_lang "${source_lang}"
    if [[ ${zero_shot} == true ]]; then
        for set in "${tests[@]}"; do
            [[ -f ${formatted}/${set}/clip2label ]] || continue
            run_job "${inference}/log/zero_shot_${set}.log" "${embed_cmd}" python3 -m espnet_mlclap.bin.zero_shot \
                --model_dir "${experiment}" --model_file "${inference_model}" --data_dir "${formatted}/${set}" \
                --embedding_dir "${inference}/${set}" --prompt_data_dir "${train[@]/#/${formatted}/}" \
                --source_lang "${source_lang}" --device "${device}"
        done
    fi
    run_job "${inference}/log/report.log" "" python3 -m espnet_mlclap.bin.report \
        --experiment_dir "${experiment}" --inference_tag "${inference_tag}" --out "${inference}/RESULTS.md" \
        --note "${results_note}"
    cat "${inference}/RESULTS.md"
}

stage_8() {
    local -a inputs=("${experiment}/config.yaml" "${experiment}/${inference_model}")
    once "${experiment}/.packed" "${experiment}/pack.log" "" python3 -m espnet_mlclap.bin.pack \
        --experiment_dir "${experiment}" --model_file "${inference_model}" --out "${packed}"
    echo "  ${packed}"
}

stage_9() {
    if [[ -z ${hf_repo} ]]; then
        echo "  nothing uploaded: give --hf_repo user/name, after \`hf auth login\`, to upload ${packed}"
        return 0
    fi
    run_job "${experiment}/upload.log" "" hf upload "${hf_repo}" "${packed}"
}

seconds_of_stage() {  # measured on two CPU cores, where the recipe has written it down
    if [[ -f conf/stage_seconds ]]; then awk -v stage="$1" '$1 == stage {print $2}' conf/stage_seconds; fi
}

{ # read as a whole before it runs: a change of this file does not reach a job that is under way
    python3 -m espnet_mlclap.bin.check_environment
    for ((current = stage; current <= stop_stage; current++)); do
        seconds=$(seconds_of_stage "${current}")
        echo "Stage ${current}: ${titles[current]}${seconds:+ (about ${seconds} s)}"
        if ((current <= 4)); then lock "${dumpdir}/.lock"; else lock "${experiment}/.lock"; fi
        start=${SECONDS}
        "stage_${current}"
        echo "Stage ${current} ended after $((SECONDS - start)) s"
    done
    exit 0
}
