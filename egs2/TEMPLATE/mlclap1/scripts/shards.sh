# shellcheck shell=bash
# The shares of a command as a job array: each job runs the command with --shard I/N and leaves its share on disk; who
# runs the command without --shard afterwards puts them together. A job that failed is tried once more.

# run_shards LOG SUBMIT NUMBER COMMAND...
# NUMBER jobs of COMMAND, submitted by SUBMIT (words from cmd.sh, such as "sbatch --mem 4G"); the logs are in a folder
# beside LOG. Fails, after naming them, when jobs have failed twice. Another run's jobs of the same work that are still
# there are ended first; and these, when this shell is.
run_shards() {
    local folder=${1%.log}.shards submit=$2 number=$3 times shard
    local -a left=()
    shift 3
    mkdir -p "${folder}"
    if [[ -f ${folder}/job ]]; then _end_jobs "$(<"${folder}/job")"; fi
    rm -f "${folder}"/*.{log,ended}
    mapfile -t left < <(seq "${number}")
    for times in once twice; do
        _submit_and_wait "${submit}" "${left[*]}" "${folder}" "${number}" "$@"
        mapfile -t left < <(_not_ended "${folder}" "${left[@]}")
        ((${#left[@]})) || return 0
        for shard in "${left[@]}"; do
            echo "  share ${shard} of ${number} has failed ${times} ($(_fate "${folder}" "${shard}")): ${folder}/${shard}.log"
        done
    done
    show_cause "${folder}/${left[0]}.log" "share ${left[0]} of ${number} of ${*:1:3}"
    return 1
}

_submit_and_wait() { # SUBMIT SHARDS FOLDER NUMBER COMMAND...
    local folder=$3 id polls=0 left before=""
    local -a submit wanted
    read -ra submit <<<"$1"
    read -ra wanted <<<"$2"
    id=$("${submit[@]}" --parsable --array "${2// /,}" --open-mode append --output "${folder}/%a.log" \
        scripts/share.sh "${@:3}")
    id=${id%%;*} # what follows is the cluster's name
    echo "${id}" | tee "${folder}/last_job" >"${folder}/job"
    # shellcheck disable=SC2064 # these jobs
    trap "scancel ${id} 2>/dev/null" EXIT
    while _in_queue "${id}"; do
        polls=$((polls + 1))
        sleep "$((polls < 20 ? 1 : 10))"
        left=$(_not_ended "${folder}" "${wanted[@]}" | wc -l)
        if [[ ${left} != "${before}" ]]; then echo "  $((${#wanted[@]} - left)) of ${#wanted[@]} shares are done"; fi
        before=${left}
    done
    trap - EXIT
    rm "${folder}/job"
    # what was written on another machine may be seen a little later
    [[ -z $(_not_ended "${folder}" "${wanted[@]}") ]] || sleep 2
}

_not_ended() { # FOLDER SHARDS...
    local shard
    for shard in "${@:2}"; do
        if [[ ! -f $1/${shard}.ended ]]; then echo "${shard}"; fi
    done
}

_in_queue() { # JOB; where Slurm does not answer, it may be
    local found
    found=$(squeue --noheader --jobs "$1" --format %i 2>&1) || [[ ${found} != *"Invalid job id"* ]] || return 1
    [[ -n ${found} ]]
}

_end_jobs() { # JOB
    _in_queue "$1" || return 0
    echo "  ends job $1 of an earlier run"
    scancel "$1"
    while _in_queue "$1"; do sleep 1; done
}

_fate() { # FOLDER SHARD: what Slurm says of it, and on which node it was
    local job
    job=$(<"$1/last_job")
    scontrol show job "${job}_$2" --oneliner 2>/dev/null |
        sed -nE 's/.* JobState=([A-Z_]+).* NodeList=([^ ]*).*/\1 on \2/p' | head -n 1
}
