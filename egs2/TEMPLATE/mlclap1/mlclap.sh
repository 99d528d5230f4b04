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
# Every stage can be run again: what is done is skipped, what was killed resumes where it stopped.
# shellcheck disable=SC2329  # the stages are called by their numbers
set -euo pipefail

# --- options
## Stages
stage=1                # {1..9} first stage to run
stop_stage=7           # {1..9} last stage to run
nj=2                   # {1..} processes for audio formatting, and for translation without a GPU or by --translator chat; jobs on a cluster
ngpu=0                 # {0..} GPUs for translation, training and embedding; 0: the CPU
num_nodes=1            # {1..} nodes of a cluster that share the training, each with --ngpu GPUs
cpu_ranks=1            # {1..} with --ngpu 0, processes that share the training (torchrun, gloo), of each node
requeue=0              # {0..} times that a training which fails, as when a node has died, goes on from its last checkpoint
inference_nj=1         # {1..} test sets that are embedded at a time; on a cluster, jobs for each set, and for teachers
skip_train=false       # {true|false} no training: without stages 4 and 5, and stages 2 and 3 for the test sets alone
skip_eval=false        # {true|false} no testing: without stages 6 and 7
print_plan=            # only print what follows from the options: json for all of it, or one name of it (inference)
## Data
datadir=data           # folder of the data directories; local/data.sh finds its name in the variable datadir
train_sets=            # names of the training sets in --datadir
train_weights=         # weight of each training set, such as "1 0.5 2": how often an epoch uses its captions (default: once)
valid_set=             # name of the validation set
test_sets=             # names of the test sets
corpus=                # folder of a corpus of your own, for the recipe audio_folder
local_data_opts=       # further options handed to local/data.sh
local_data_inputs=     # files and folders that local/data.sh reads: stage 1 runs again when they change
always_prepare=false   # {true|false} run stage 1 even if nothing seems to have changed (clips may have arrived)
langs="eng_Latn fra_Latn deu_Latn spa_Latn nld_Latn cat_Latn jpn_Jpan zho_Hans"  # all languages, the source first
audio_format=flac      # {flac|flac.ark|log_mel.ark|shards|original} how formatted audio is stored; shards: in tar files, as webdataset reads them; original: left where it is, at its own rate
clips_per_shard=1000   # {1..} clips in a tar file of --audio_format shards: between half of it and all of it on average
shard_reading=sequential  # {sequential|random} how a training reads shards: from front to back, mixed in a buffer; or clip by clip
skip_bad_audio=false   # {true|false} skip clips that cannot be read, and list them
dumpdir=dump           # folder for formatted audio
## Language enhancement (LE)
translator=sonar       # {sonar|file|huggingface|chat|package.module:Class|none} who translates the training captions
translation_encoder=   # fairseq2 asset name of SONAR's text encoder
translation_decoder=   # fairseq2 asset name of SONAR's text decoder
translation_config=    # YAML file of the translator (batch size, beam, filters)
given_dir=             # of --translator file and --test_translator file: folder of the given translations
le_ratio=              # {0-1} probability that an epoch uses a translated caption; 0: none are made (default: the configuration's)
le_langs=              # languages of LE (default: all of --langs but the source)
reference_dir=         # folder of good translations (text, utt2clip, utt2lang), for chrF in quality.md
paraphraser=none       # {none|chat|file|package.module:Class} who writes further training captions in their own language
paraphrase_ratio=0.5   # {0-1} probability that an epoch uses a paraphrase
given_paraphrases=     # with --paraphraser file: folder of the given paraphrases
test_translator=none   # {none|sonar|file|huggingface|chat|package.module:Class} who translates the test captions into those of --langs that they lack
## Training
mlclap_config=conf/train.yaml  # model and training configuration
mlclap_args=           # further options for training, e.g. "--max_epoch 2"
mlclap_tag=            # name of the experiment (default: made from the options)
init_param=            # checkpoint whose weights training starts from (fine-tuning), as ESPnet's option of this name
teachers=              # experiments (or checkpoints, packed files) whose estimates of all pairs the training learns from
text_encoder_init=     # {pretrained|scratch} where the text encoder starts (default: as in the configuration)
seed=1                 # {0..} seed of training
expdir=exp             # folder for experiments
statsdir=              # folder for the statistics of stage 4 (default: stats in --expdir)
## Test, packing, upload
inference_model=valid.mAP@10.best.pth  # checkpoint to test
inference_tag=         # name of the folder of results (default: made from --inference_model)
download_model=        # user/name on the Hugging Face hub, or a packed file: test this model, train none
custom_classes=false   # {true|false} trust --download_model, --teachers and --reranker: let packed ones run classes from outside of this package
relevant_clips=        # lists of relevant clips of the captions of test sets, "SET=FILE ...": mAP@16 as in DCASE 2025
own_clip_is_relevant=false  # {true|false} a caption's own clip counts even where its list leaves it out
baseline=              # results of another experiment (its folder, or the one with scores.json): differences to it
reranker=              # model of pairs that reranks what the two towers found: its experiment's folder, a packed file, or own
rerank_top=50          # clips of each caption (captions of each clip) that it scores, or all; several: "50 all"
rerank_most_pairs=1000000  # {1..} captions times clips of the largest test set that --rerank_top all scores
zero_shot=false        # {true|false} also classify the clips of labelled test sets by the captions of the classes
zero_shot_prompts=     # captions of the classes, a TSV file label, lang, caption (default: those of the training sets)
results_note=          # what a reader of RESULTS.md must know first
hf_repo=               # user/name on the Hugging Face hub, for stage 9
# --- end of options

command_line="${0##*/} $*"
. scripts/options.sh
. scripts/locks.sh
. scripts/jobs.sh
. scripts/shards.sh
. scripts/plan.sh
parse_options "${BASH_SOURCE[0]}" "$@"
holds_corpus() { [[ ! -f ${datadir}/.corpus || $(<"${datadir}/.corpus") == "${corpus}" ]]; }
check_corpus() {
    holds_corpus || option_error "${datadir}/ holds the corpus '$(<"${datadir}/.corpus")', not '${corpus}'. Run from" \
        "--stage 1 on, or give this corpus folders of its own (--datadir, --dumpdir, --statsdir)."
}
((stage == 1)) || check_corpus
((stage <= stop_stage)) || option_error "--stage ${stage} is after --stop_stage ${stop_stage}."
for name in train_sets valid_set test_sets langs; do
    [[ -n ${!name} ]] || option_error "--${name} must be given."
done
for name in mlclap_config translation_config; do
    [[ -z ${!name} || -f ${!name} ]] || option_error "--${name} ${!name}: no such file in ${PWD}."
done
if [[ -n ${train_weights} && $(wc -w <<<"${train_weights}") != $(wc -w <<<"${train_sets}") ]]; then
    option_error "--train_weights '${train_weights}': one weight for each of '${train_sets}' is needed."
fi
[[ " ${rerank_top}" =~ ^(\ +(all|[1-9][0-9]{0,8}))+\ *$ ]] ||
    option_error "--rerank_top '${rerank_top}': must be all or a whole number from 1 up, or several of them."
. ./path.sh
. ./cmd.sh
make_plan
if [[ -n ${print_plan} ]]; then
    show_plan "${print_plan}"
    exit 0
fi
# what may not be there yet when only the plan is asked for
[[ -z ${init_param} || -f ${init_param} ]] || option_error "--init_param ${init_param}: no such file in ${PWD}."
((num_nodes == 1)) || [[ -n ${train_cmd} ]] || option_error "--num_nodes ${num_nodes}: needs a cluster (cmd_backend=slurm)."
for name in ${teachers}; do
    [[ -e ${name} ]] || option_error "--teachers ${name}: no such experiment or packed file in ${PWD}."
done
[[ -z ${reranker} || ${reranker} == "${experiment}" || -e ${reranker} ]] || option_error "--reranker ${reranker}: no such folder or file in ${PWD}."
[[ -z ${baseline} || -d ${baseline} ]] || option_error "--baseline ${baseline}: no such folder in ${PWD}."
for name in ${relevant_clips}; do
    if ((stage == 1)) && [[ ${name} == *="${datadir}"/* ]]; then continue; fi # which stage 1 makes
    [[ ${name} == *=* && -f ${name#*=} ]] || option_error "--relevant_clips ${name}: must read SET=FILE with a file."
done
export datadir

claim_data() { # before something is written: fails if nobody else could have written in between
    own_data || return 1
    ((current == 1)) || check_corpus
}

stage_1() {
    local set
    for set in "${sets[@]}"; do
        if [[ ! -d ${datadir}/${set} ]]; then rm -f "${datadir}/.made"; fi
    done
    if [[ ${always_prepare} == true ]]; then rm -f "${datadir}/.made"; fi
    local -a inputs options
    read -ra options <<<"${local_data_opts}"
    read -ra inputs <<<"local db.sh conf/corpus.yaml ${local_data_inputs}"
    if [[ -n ${corpus} ]]; then
        options+=(--corpus "${corpus}" --skip_bad_audio "${skip_bad_audio}") inputs+=("${corpus}"/*/{metadata.*,*.tar})
    fi
    mkdir -p "${datadir}"
    if [[ ! -f ${datadir}/.corpus ]] || ! holds_corpus; then
        claim_data || true
        echo "${corpus}" >"${datadir}/.corpus"
    fi
    once "${datadir}/.made" "${expdir}/log/prepare.log" "" bash local/data.sh "${options[@]}"
    for set in "${sets[@]}"; do
        [[ -d ${datadir}/${set} ]] || { echo "local/data.sh made no ${datadir}/${set}" >&2; return 1; }
    done
}

translate() {  # SET LANGUAGES TRANSLATOR OPTIONS...
    local out=${datadir}/${1}_le
    local -a inputs=("${datadir}/$1" "${MLCLAP_ROOT}/conf/translation.yaml")
    local -a options=(--source_lang "${source_lang}" --langs "$2" --translator "$3" "${@:4}")
    if [[ -n ${translation_encoder} ]]; then options+=(--encoder "${translation_encoder}"); fi
    if [[ -n ${translation_decoder} ]]; then options+=(--decoder "${translation_decoder}"); fi
    if [[ $3 == file && -n ${given_dir} ]]; then # the other call may have another translator
        options+=(--given_dir "${given_dir}") inputs+=("${given_dir}")
    fi
    if [[ -n ${translation_config} ]]; then
        options+=(--config "${translation_config}") inputs+=("${translation_config}")
    fi
    if [[ -n ${reference_dir} ]]; then options+=(--reference_dir "${reference_dir}") inputs+=("${reference_dir}"); fi
    local shards=${nj} shard_cmd=${translate_shard_cmd}
    if [[ $3 == chat || $3 == file ]]; then shards=1; fi # nothing to compute
    if ((ngpu == 0)) || [[ $3 == chat || $3 == file ]]; then
        options+=(--nj "${nj}")
    else
        options+=(--nj "${ngpu}") # one for each GPU
    fi
    once "${out}/.made" "${expdir}/log/translate_$1.log" "${translate_cmd}" \
        python3 -m espnet_mlclap.bin.translate --data_dir "${datadir}/$1" --out_dir "${out}" --device "${device}" "${options[@]}"
}

rewrite() { # SET: paraphrases of its captions
    local out=${datadir}/${1}_paraphrased
    local -a inputs=("${datadir}/$1" "${MLCLAP_ROOT}/conf/translation.yaml")
    local -a options=(--source_lang "${source_lang}" --rewrite true --translator "${paraphraser}" --nj "${nj}")
    if [[ -n ${given_paraphrases} ]]; then options+=(--given_dir "${given_paraphrases}") inputs+=("${given_paraphrases}"); fi
    if [[ -n ${translation_config} ]]; then
        options+=(--config "${translation_config}") inputs+=("${translation_config}")
    fi
    once "${out}/.made" "${expdir}/log/rewrite_$1.log" "${translate_cmd}" \
        python3 -m espnet_mlclap.bin.translate --data_dir "${datadir}/$1" --out_dir "${out}" --device "${device}" "${options[@]}"
}

stage_2() {
    local set
    if uses_le && [[ ${skip_train} == false ]]; then
        for set in "${train[@]}"; do translate "${set}" "${le_langs}" "${translator}"; done
    fi
    if uses_paraphrases && [[ ${skip_train} == false ]]; then
        for set in "${train[@]}"; do rewrite "${set}"; done
    fi
    if translates_test; then
        for set in "${tests[@]}"; do translate "${set}" "${target_langs}" "${test_translator}" --test_set true; done
    fi
}

stage_3() {
    local set shards=${nj} shard_cmd=${data_shard_cmd}
    for set in "${sets[@]}"; do
        local -a inputs=("${datadir}/${set}" @"${datadir}/${set}/wav.scp") options=()
        if translates_test && [[ " ${test_sets} " == *" ${set} "* ]]; then
            options=(--more_captions "${datadir}/${set}_le")
            inputs+=("${datadir}/${set}"_le/{text,utt2clip,utt2lang,utt2source})
        fi
        if [[ ${audio_format} == shards ]]; then options+=(--clips_per_shard "${clips_per_shard}"); fi
        once "${formatted}/${set}/.made" "${expdir}/log/format_${set}.log" "${data_cmd}" \
            python3 -m espnet_mlclap.bin.format_audio --data_dir "${datadir}/${set}" --out_dir "${formatted}/${set}" \
            --audio_format "${audio_format}" --skip_bad_audio "${skip_bad_audio}" --nj "${nj}" "${options[@]}"
        if [[ -s ${formatted}/${set}/bad_audio.txt ]]; then
            echo "  $(wc -l <"${formatted}/${set}/bad_audio.txt") clips left out: ${formatted}/${set}/bad_audio.txt"
        fi
    done
    if [[ ${skip_train} == false ]]; then make_tables; fi
}

make_tables() { # in which the training reads its sets
    local set
    local -a folders=()
    for set in "${train[@]}"; do
        folders+=("${formatted}/${set}")
        if uses_le; then folders+=("${datadir}/${set}_le"); fi
        if uses_paraphrases; then folders+=("${datadir}/${set}_paraphrased"); fi
    done
    run_job "${expdir}/log/make_tables.log" "${data_cmd}" python3 -m espnet_mlclap.bin.make_tables "${folders[@]}"
}

add_training_sets() { # and their translations, to the caller's arrays `options` and `inputs`
    local set
    for set in "${train[@]}"; do
        options+=(--train_data_dir "${formatted}/${set}") inputs+=("${formatted}/${set}")
        if uses_le; then
            options+=(--le_data_dir "${datadir}/${set}_le")
            inputs+=("${datadir}/${set}"_le/{text,utt2clip,utt2lang,utt2source})
        fi
    done
}

add_paraphrases() { # to the caller's arrays `options` and `inputs`
    local set
    uses_paraphrases || return 0
    options+=(--paraphrase_ratio "${paraphrase_ratio}")
    for set in "${train[@]}"; do
        options+=(--paraphrase_data_dir "${datadir}/${set}_paraphrased")
        inputs+=("${datadir}/${set}"_paraphrased/{text,utt2clip,utt2lang,utt2source})
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

teacher_vectors() { # TEACHER: the folder in which its vectors of training sets are kept, beside its weights
    local model=${1%/}
    if [[ -d ${model} ]]; then model+=/${best_model}; fi
    # of clips as they are formatted, which is what it hears
    echo "$(without_ending "${model}").teacher/${audio_format}"
}

add_teachers() { # their vectors of the training sets, made where needed, to the caller's arrays `options` and `inputs`
    local teacher set vectors loss shards=${inference_nj} shard_cmd=${embed_shard_cmd}
    for teacher in ${teachers}; do
        options+=(--teacher_embeddings)
        for set in "${train[@]}"; do
            vectors=$(teacher_vectors "${teacher}")/${set}
            inputs+=("${vectors}"/{clips,captions}/identity)
            local -a more=()
            if uses_le; then
                more+=(--le_data_dir "${datadir}/${set}_le") inputs+=("${vectors}/translations/identity")
            fi
            if uses_paraphrases; then
                more+=(--paraphrase_data_dir "${datadir}/${set}_paraphrased") inputs+=("${vectors}/paraphrases/identity")
            fi
            shared_job "${vectors}.log" "${embed_cmd}" python3 -m espnet_mlclap.bin.embed_training_set \
                --teacher "${teacher}" --data_dir "${formatted}/${set}" "${more[@]}" --out_dir "${vectors}" \
                --device "${device}" --custom_classes "${custom_classes}"
            options+=("${vectors}")
        done
    done
    # the configuration of a training without teachers will do
    loss=$(python3 -m espnet_mlclap.bin.show_config "${mlclap_config}" | sed -n 's/^loss: //p')
    if [[ -z ${loss} || ${loss} == infonce* ]]; then options+=(--loss correspondences); fi
}

stage_5() {
    local weight path
    local -a inputs options=() launcher=(python3) more
    local gpus_of_rank=${ngpu}
    local -a outdated=("${experiment}"/{checkpoint.pth,*epoch.pth,*best.pth})
    # and the folders of what was inferred with these weights
    for path in "${experiment}"/*/{scores.json,log/embed_*.log,*/.made}; do
        path=${path#"${experiment}/"}
        outdated+=("${experiment}/${path%%/*}")
    done
    local files # of the configuration, with what they are based on and what they name
    files=$(python3 -m espnet_mlclap.bin.show_config "${mlclap_config}" --files true)
    mapfile -t inputs <<<"${files}"
    inputs+=("${formatted}/${valid_set}")
    add_training_sets
    add_paraphrases
    for weight in ${train_weights}; do options+=(--train_data_weight "${weight}"); done
    if uses_le; then options+=(--le_langs "${le_langs}"); fi
    if [[ -n ${init_param} ]]; then options+=(--init_param "${init_param}") inputs+=("${init_param}"); fi
    if [[ -n ${teachers} ]]; then add_teachers; fi
    if [[ ${audio_format} == shards ]]; then options+=(--reading "${shard_reading}"); fi
    if [[ -n ${text_encoder_init} ]]; then options+=(--text_encoder_conf "init=${text_encoder_init}"); fi
    if ((num_nodes > 1)); then
        launcher=(bash scripts/on_each_node.sh "$((ngpu > 0 ? ngpu : cpu_ranks))")
        gpus_of_rank=$((ngpu > 0 ? 1 : 0))
        options+=(--multiprocessing_distributed false)
        if ((ngpu == 0)); then options+=(--dist_backend gloo); fi
    elif ((ngpu > 1)); then
        options+=(--multiprocessing_distributed true)
    elif ((ngpu == 0 && cpu_ranks > 1)); then
        launcher=(torchrun --standalone --nproc_per_node "${cpu_ranks}")
        options+=(--dist_backend gloo --multiprocessing_distributed false)
    fi
    read -ra more <<<"${mlclap_args}"
    local resumes=${experiment}/checkpoint.pth times=${requeue}
    mkdir -p "${experiment}"
    printf '# %s\n%s\n' "$(date '+%F %T')" "${command_line}" >"${experiment}/run.sh.txt"
    once "${experiment}/.made" "${experiment}/train.log" "${train_cmd}" \
        "${launcher[@]}" -m espnet_mlclap.bin.train --config "${mlclap_config}" --output_dir "${experiment}" \
        --valid_data_dir "${formatted}/${valid_set}" "${options[@]}" --le_ratio "${le_ratio}" \
        --seed "${seed}" --ngpu "${gpus_of_rank}" --resume true "${more[@]}"
}

embed() { # SET NUMBER: with several at a time, GPUs in turn
    local -a inputs=("${formatted}/$1" "${experiment}/config.yaml" "${experiment}/${inference_model}")
    local on=${device} shards=${inference_nj} shard_cmd=${embed_shard_cmd}
    if ((inference_nj > 1 && ngpu > 1)) && [[ -z ${embed_cmd} ]]; then on=cuda:$(($2 % ngpu)); fi
    once "${inference}/$1/.made" "${inference}/log/embed_$1.log" "${embed_cmd}" \
        python3 -m espnet_mlclap.bin.embed --model_dir "${experiment}" --model_file "${inference_model}" \
        --data_dir "${formatted}/$1" --out_dir "${inference}/$1" --device "${on}"
}

stage_6() {
    if [[ -n ${download_model} ]]; then
        local -a inputs=()
        if [[ -f ${download_model} ]]; then inputs=("${download_model}"); fi
        once "${experiment}/.downloaded" "${experiment}/download.log" "" \
            python3 -m espnet_mlclap.bin.download_model "${download_model}" --out_dir "${experiment}" \
            --model_file "${inference_model}" --custom_classes "${custom_classes}"
    fi
    local set top at_once=${inference_nj}
    if [[ -n ${embed_shard_cmd} ]]; then at_once=1; fi # each of them in so many jobs
    in_parallel "${at_once}" embed "${tests[@]}"
    for top in ${reranker:+${rerank_top}}; do
        for set in "${tests[@]}"; do rerank "${set}" "${top}"; done
    done
}

rerank() { # SET TOP
    local out=${inference}/reranked/${reranker_name}_$2/$1
    local -a more=() # nothing by default: what was reranked without the option is up to date
    if [[ ${custom_classes} == true ]]; then more=(--custom_classes true); fi
    # stage 7 writes into the folder of the embeddings, too
    local -a inputs=("${formatted}/$1" "${inference}/$1"/{{audio,text}_embeddings.npy,{clip,caption}_ids})
    if [[ -d ${reranker} ]]; then inputs+=("${reranker}"/{config.yaml,"${best_model}"}); else inputs+=("${reranker}"); fi
    once "${out}/.made" "${inference}/log/rerank_$1_$2.log" "${embed_cmd}" \
        python3 -m espnet_mlclap.bin.rerank --model_dir "${reranker}" --name "${reranker_name}" \
        --data_dir "${formatted}/$1" --embedding_dir "${inference}/$1" --out_dir "${out}" \
        --top "$2" --most_pairs "${rerank_most_pairs}" --device "${device}" "${more[@]}"
}

stage_7() {
    local set top must_be_made="stage 6"
    local -a options=() compared=() reranked=()
    for set in "${tests[@]}"; do
        embed "${set}" 0
        for top in ${reranker:+${rerank_top}}; do rerank "${set}" "${top}"; done
    done
    if [[ -n ${baseline} ]]; then compared=(--baseline "${baseline}"); fi
    if [[ -n ${relevant_clips} ]]; then
        read -ra options <<<"${relevant_clips}"
        options=(--relevant_clips "${options[@]}" --own_clip_is_relevant "${own_clip_is_relevant}")
    fi
    for top in ${reranker:+${rerank_top}}; do reranked+=("${inference}/reranked/${reranker_name}_${top}"); done
    if [[ -n ${reranker} ]]; then reranked=(--reranked "${reranked[@]}"); fi
    run_job "${inference}/log/score.log" "" python3 -m espnet_mlclap.bin.score --inference_dir "${inference}" \
        --sets "${tests[@]}" --source_lang "${source_lang}" "${options[@]}" "${compared[@]}" "${reranked[@]}"
    if [[ ${zero_shot} == true ]]; then
        local -a prompts=(--prompt_data_dir "${train[@]/#/${formatted}/}")
        if [[ -n ${zero_shot_prompts} ]]; then prompts=(--prompt_file "${zero_shot_prompts}"); fi
        for set in "${tests[@]}"; do
            [[ -f ${formatted}/${set}/clip2label ]] || continue
            run_job "${inference}/log/zero_shot_${set}.log" "${embed_cmd}" python3 -m espnet_mlclap.bin.zero_shot \
                --model_dir "${experiment}" --model_file "${inference_model}" --data_dir "${formatted}/${set}" \
                --embedding_dir "${inference}/${set}" "${prompts[@]}" \
                --source_lang "${source_lang}" --device "${device}"
        done
    fi
    run_job "${inference}/log/report.log" "" python3 -m espnet_mlclap.bin.report \
        --experiment_dir "${experiment}" --inference_tag "${inference_tag}" --out "${inference}/RESULTS.md" \
        --note "${results_note}" "${compared[@]}"
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
    if ((ngpu > 0)) && [[ -z ${train_cmd}${embed_cmd} ]]; then here=${ngpu}; fi # otherwise a cluster has them
    python3 -m espnet_mlclap.bin.check_environment --ngpu "${here:-0}"
    hold_data "${dumpdir}"
    ((stage == 1)) || check_corpus # which may have changed while another run was waited for
    for ((current = stage; current <= stop_stage; current++)); do
        if [[ -n ${left_out[${current}]:-} ]]; then
            echo "Stage ${current} is left out: --${left_out[${current}]}"
            continue
        fi
        seconds=$(seconds_of_stage "${current}")
        echo "Stage ${current}: ${titles[current]}${seconds:+ (about ${seconds} s)}"
        claim=""
        if ((current <= 3)); then
            claim=claim_data
        else
            share_data
            if ((current == 4)); then lock "${statsdir}/.lock"; else lock "${experiment}/.lock"; fi
        fi
        start=${SECONDS}
        "stage_${current}"
        echo "Stage ${current} ended after $((SECONDS - start)) s"
    done
    exit 0
}
