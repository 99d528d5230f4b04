# shellcheck shell=bash
# What follows from the options of mlclap.sh: the names of experiments, folders and files. Nothing is made here.
# shellcheck disable=SC2034,SC2154  # the options are mlclap.sh's, and so is what is set here

# make_plan: set everything that the stages use
make_plan() {
    local value
    if [[ -n ${download_model} ]]; then skip_train=true; fi
    read -ra train <<<"${train_sets}"
    read -ra tests <<<"${test_sets}"
    read -r source_lang target_langs <<<"${langs}"
    le_langs=${le_langs:-${target_langs}}
    if [[ ${translator} == none || -z ${le_langs} ]]; then
        le_ratio=0
    elif [[ -z ${le_ratio} ]]; then
        le_ratio=$(python3 -m espnet_mlclap.bin.show_config "${mlclap_config}" --value le_ratio)
    fi
    mlclap_tag=${mlclap_tag:-$(_experiment_tag)}
    inference_tag=${inference_tag:-$(basename "${inference_model}" .pth)}
    device=cpu
    if ((ngpu > 0)); then device=cuda; fi
    formatted=${dumpdir}/${audio_format}
    experiment=${expdir}/mlclap_${mlclap_tag}
    statsdir=${statsdir:-${expdir}/stats}
    inference=${experiment}/${inference_tag}
    if [[ ${reranker} == own ]]; then reranker=${experiment}; fi
    reranker_name=$(basename "${reranker%.zip}")
    reranker_name=${reranker_name#mlclap_}
    best_model=valid.mAP@10.best.pth # of a teacher and of a reranker, whichever checkpoint is tested
    packed=${experiment}/mlclap_${mlclap_tag}.zip

    # sets that stage 3 formats: zero-shot classification uses the captions of the training sets
    sets=("${train[@]}" "${valid_set}" "${tests[@]}")
    if [[ ${skip_train} == true ]]; then sets=("${tests[@]}"); fi
    if [[ ${skip_train} == true && ${zero_shot} == true ]]; then sets=("${train[@]}" "${tests[@]}"); fi

    declare -gA left_out=() # stages, with the option that says so
    value=skip_train
    if [[ -n ${download_model} ]]; then value=download_model; fi
    if [[ ${skip_train} == true ]]; then left_out[4]=${value} left_out[5]=${value}; fi
    if [[ ${skip_eval} == true ]]; then left_out[6]=skip_eval left_out[7]=skip_eval; fi

    translation="${translator} translates captions into ${le_langs}"
    if ! uses_le; then translation="none for training (--le_ratio 0, --translator none or one language)"; fi
    if uses_paraphrases; then translation+="; ${paraphraser} writes paraphrases"; fi
    if [[ ${skip_train} == true ]]; then translation="none for training (--${value})"; fi
    titles=("" "data preparation: local/data.sh makes ${datadir}/{$(tr ' ' , <<<"${sets[*]}")}"
        "language enhancement: ${translation}"
        "audio formatting: mono, 16 kHz, as ${audio_format} in ${formatted}"
        "checks and statistics of the data"
        "training of ${experiment}"
        "embeddings of the test sets ${test_sets}"
        "scoring: tables, figures, ${inference}/RESULTS.md"
        "packing into ${packed}"
        "upload to the Hugging Face hub")
}

uses_le() { [[ ! ${le_ratio} =~ ^0*\.?0*$ ]]; }

uses_paraphrases() { [[ ${paraphraser} != none && ! ${paraphrase_ratio} =~ ^0*\.?0*$ ]]; }

translates_test() { [[ ${test_translator} != none && -n ${target_langs} ]]; }

_experiment_tag() { # from the options that are not the recipe's choice
    local tag name
    if [[ -n ${download_model} ]]; then
        name=${download_model}
        if [[ -f ${name} ]]; then name=$(basename "${name%.*}"); fi
        tr -cs 'A-Za-z0-9.\n-' '_' <<<"${name#mlclap_}"
        return 0
    fi
    tag=$(basename "${mlclap_config}" .yaml)${text_encoder_init:+_${text_encoder_init}}
    if [[ -n ${corpus} ]]; then tag=$(basename "${corpus}" | tr -cs 'A-Za-z0-9.\n' '_')_${tag}; fi
    if uses_le; then tag+=_le${le_ratio}; else tag+=_no_le; fi
    if uses_paraphrases; then tag+=_paraphrases${paraphrase_ratio}; fi
    if uses_le && [[ ${le_langs} != "${target_langs}" ]]; then tag+=_${le_langs// /_}; fi
    for name in langs translator train_sets valid_set; do
        if chosen "${name}"; then tag+=_${!name//[ :]/_}; fi
    done
    if chosen translation_config; then tag+=_$(basename "${translation_config}" .yaml); fi
    if [[ -n ${train_weights} ]]; then tag+=_weights${train_weights// /_}; fi
    if [[ -n ${init_param} ]]; then tag+=_from_$(basename "$(dirname "${init_param}")"); fi
    if [[ -n ${teachers} ]]; then
        tag+=_taught_by
        for name in ${teachers}; do tag+=_$(_teacher_name "${name}"); done
    fi
    if [[ ${audio_format} != flac ]]; then tag+=_${audio_format}; fi
    if [[ -n ${mlclap_args} ]]; then tag+=_$(tr -cs 'A-Za-z0-9.\n' '_' <<<"${mlclap_args#--}"); fi
    if ((${#tag} > 150)); then # a file name holds 255 bytes
        tag=${tag:0:120}_$(sha256sum <<<"${tag}" | cut -c 1-12)
    fi
    echo "${tag}_seed${seed}"
}

without_ending() { # FILE: of a checkpoint or packed file
    local path=${1%.pth}
    echo "${path%.zip}"
}

_teacher_name() { # TEACHER: of a file with that of its folder, for each experiment has a latest.pth
    local name folder
    name=$(without_ending "$(basename "$1")") folder=$(basename "$(dirname "$1")")
    if [[ (-f $1 || $1 == *.pth || $1 == *.zip) && ${folder} != [./]* && ${folder} != "${name}" ]]; then
        name=${folder#mlclap_}_${name}
    fi
    echo "${name#mlclap_}"
}

# show_plan NAME: print one thing of the plan, or with `json` all of it
show_plan() {
    local name
    local -a pairs=() names=(experiment inference packed formatted datadir statsdir inference_model test_sets
        source_lang le_ratio le_langs ngpu seed)
    if [[ $1 != json ]]; then
        [[ " ${names[*]} " == *" $1 "* ]] || option_error "--print_plan $1: give json, or one of ${names[*]}."
        echo "${!1}"
        return 0
    fi
    for name in "${names[@]}"; do pairs+=("${name}" "${!name}"); done
    python3 -c 'import json, sys
words = iter(sys.argv[1:])
print(json.dumps(dict(zip(words, words)), indent=1))' "${pairs[@]}"
}
