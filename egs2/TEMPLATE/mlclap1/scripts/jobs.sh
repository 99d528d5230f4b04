# shellcheck shell=bash
# Run the commands of a stage: once, with a log, with progress on the terminal, with the cause on failure.

# run_job LOG PREFIX COMMAND...
# Run COMMAND after PREFIX (words from cmd.sh, such as "srun --gres=gpu:1"; may be empty), everything it prints
# in LOG. Lines of progress (tagged as espnet_mlclap/utils/progress.py does) and what our commands log (counts, warnings) are shown on the terminal; when the
# command fails, the end of LOG.
run_job() {
    local log=$1 prefix=$2 status=0 start=${SECONDS}
    local -a run
    shift 2
    read -ra run <<<"${prefix}"
    # a command on this machine ends with the recipe that started it, even if that is killed
    if ((${#run[@]} == 0)) && setpriv --pdeathsig TERM true 2>/dev/null; then
        run=(setpriv --pdeathsig TERM)
    fi
    run+=("$@")
    mkdir -p "$(dirname "${log}")"
    printf '# %s\n# started %s on %s\n' "${run[*]}" "$(date '+%F %T')" "$(uname -n)" >"${log}"
    "${run[@]}" 2>&1 | tee -a "${log}" | _show_progress || status=${PIPESTATUS[0]}
    if ((status != 0)); then
        printf '# failed with status %s after %s s\n' "${status}" "$((SECONDS - start))" >>"${log}"
        show_cause "${log}" "${*:1:3} ..."
        return 1
    fi
    printf '# ended well after %s s\n' "$((SECONDS - start))" >>"${log}"
}

show_cause() { # LOG WHAT: the end of the log of what has failed, and what a cluster says of its nodes, the first first
    {
        echo "---- the last lines of $1:"
        # as text: PyTorch writes NUL bytes, and of a binary file nothing would be shown
        tr -d '\000' <"$1" | grep -a -v '^\[progress\] ' | tail -n 25
        grep -a -E '^(srun|slurmstepd[^:]*): error: |^# node .* status ' "$1" | head -n 6 | sed 's/^/---- /' || true
        echo "---- failed: $2 (full log: $1)"
    } >&2
}

# shared_job LOG PREFIX COMMAND...
# run_job; on a cluster (where `shard_cmd` has the words that submit a job) after `shards` jobs of the same command have
# done a share each.
shared_job() {
    if [[ -n ${shard_cmd:-} ]] && ((${shards:-1} > 1)); then
        run_shards "$1" "${shard_cmd}" "${shards}" "${@:3}" || return 1
    fi
    run_job "$@"
}

# tried_job TIMES LOG PREFIX COMMAND...
# shared_job; where it fails, as when a node has died, again, so many times at most. The logs are kept.
tried_job() {
    local left=$1 log=$2
    shift
    until shared_job "$@"; do
        ((left > 0)) || return 1
        cp "${log}" "${log%.log}.failed_$(date '+%F_%H%M%S').log"
        echo "  goes on from where it was: --requeue allows it $((left--)) more times"
    done
}

_log_line='^[0-9-]+ [0-9:]+,[0-9]+ (INFO: |)([^ ].*)$'

# Of the lines of a job (on standard input), those for the terminal: progress, drawn over; log lines; tables.
_show_progress() {
    local line drawn=false
    while IFS= read -r line; do # (awk would wait until it has read some kilobytes)
        if [[ ${line} == "[progress] "* ]]; then
            line=${line#* }
            if [[ -t 1 ]]; then printf '\r\033[K  %s' "${line}" && drawn=true; else echo "  ${line}"; fi
        elif [[ ${line} =~ ${_log_line} || ${line} =~ ^()(\|.*)$ ]]; then
            if [[ ${drawn} == true ]]; then echo && drawn=false; fi
            echo "  ${BASH_REMATCH[2]}"
        fi
    done
    if [[ ${drawn} == true ]]; then echo; fi
}

# in_parallel NUMBER FUNCTION WORDS...
# FUNCTION WORD INDEX for each of the words, NUMBER of them at a time; fails when one of them has failed.
in_parallel() {
    local number=$1 function=$2 index=0 failed=0 word
    local -a running=()
    shift 2
    for word; do
        if ((number == 1)); then
            "${function}" "${word}" "${index}"
        else
            if ((${#running[@]} == number)); then
                wait "${running[0]}" || failed=1
                running=("${running[@]:1}")
            fi
            # through a pipe, so that lines of progress are not drawn over each other; in parentheses, since the
            # status of a pipe in the background is that of its end
            ("${function}" "${word}" "${index}" | cat) &
            running+=("$!")
        fi
        index=$((index + 1))
    done
    for word in "${running[@]}"; do wait "${word}" || failed=1; done
    return "${failed}"
}

# once MARKER LOG PREFIX COMMAND...
# run_job, unless MARKER says that the same command ended well with the same inputs (files and folders in the
# array `inputs`; a folder counts by the files directly in it, @TABLE by size and time of the files that a table such
# as wav.scp names). Numbers of processes and devices do not matter.
# Where it was started with others, the files and folders in the array `outdated` are moved away first, into the folder
# outdated (outdated_2, ... where there is one) next to MARKER: a checkpoint, from which it would continue as if nothing had
# changed. Where `must_be_made` names a stage, nothing is run: it is an error that this stage has not made it.
# `resumes` names the file from which a command that was killed continues. `shards` and `shard_cmd` are those of
# shared_job, `times` that of tried_job. `claim` names a function that makes sure that nobody else works on the same; it fails
# if that was so before.
once() {
    local marker=$1 log=$2 prefix=$3 key start=${SECONDS} before=""
    local begun=${marker}.begun
    local -a all=("$@")
    shift 3
    # shellcheck disable=SC2154  # the caller's array
    key=$(_fingerprint "$*" "${inputs[@]}")
    if [[ -f ${marker} ]]; then before=$(head -n 1 "${marker}"); elif [[ -f ${begun} ]]; then before=$(<"${begun}"); fi
    if [[ -f ${marker} && ${before} == "${key}" ]]; then
        [[ -n ${must_be_made:-} ]] ||
            echo "  done already in $(sed -n 2p "${marker}") s: ${marker%/*} (remove ${marker} to do it again)"
        return 0
    fi
    if [[ -n ${must_be_made:-} ]]; then
        echo "${marker%/*} is missing, or was made with other options or inputs (another checkpoint). Run ${must_be_made} first." >&2
        return 1
    fi
    if [[ -n ${claim:-} ]] && "${claim}"; then # whoever was waited for may have done the same
        once "${all[@]}"
        return
    fi
    if [[ -n ${before} && ${before} != "${key}" ]]; then
        echo "  options or inputs of ${marker%/*} have changed: starting again"
        # shellcheck disable=SC2154  # the caller's array, if it has one
        _put_aside "${marker%/*}/outdated" ${outdated[@]+"${outdated[@]}"}
    fi
    if [[ ! -f ${marker} && -f ${resumes:-} ]]; then
        echo "  continues from ${resumes} (remove ${resumes%/*} to start from scratch)"
    fi
    rm -f "${marker}"
    mkdir -p "${marker%/*}"
    echo "${key}" >"${begun}"
    tried_job "${times:-0}" "${log}" "${prefix}" "$@" || return 1
    # the inputs may have been made while the command ran (stage 1): the key is that of before
    printf '%s\n%s\n' "${key}" "$((SECONDS - start))" >"${marker}.tmp"
    mv "${marker}.tmp" "${marker}"
    rm -f "${begun}"
}

_put_aside() { # FOLDER PATHS...: of files and folders beside FOLDER; what is in there from before stays
    local path folder=$1 number=1
    local -a moved=()
    while [[ -e ${folder} ]]; do folder=$1_$((++number)); done
    for path in "${@:2}"; do
        # a pattern may find what was moved earlier, or a link to it
        [[ (-e ${path} || -L ${path}) && ${path} != "$1"* ]] || continue
        mkdir -p "${folder}"
        mv "${path}" "${folder}/"
        moved+=("${path##*/}")
    done
    ((${#moved[@]} == 0)) ||
        echo "  ${1%/*} was started with other options; its files were moved to ${folder}: ${moved[*]}"
}

_named_files() { # TABLE: its files (or archives, `archive:offset`) with size and time, those that are missing too
    cut -d ' ' -f 2- "$1" | sed -E 's/:[0-9]+$//' | tr '\n' '\0' | xargs -0r stat -L -c '%n %s %.9Y' -- 2>&1 || true
}

_fingerprint() {  # TEXT PATHS...
    local path
    {
        sed -E -e 's/^(torchrun --standalone --nproc_per_node|bash scripts\/on_each_node.sh) [0-9]+ /python3 /' \
            -e 's/ --(nj|ngpu|device|num_workers|dist_backend|multiprocessing_distributed) [^ ]+//g' <<<"$1"
        for path in "${@:2}"; do
            if [[ ${path} == @* ]]; then
                _named_files "${path#@}"
                continue
            fi
            if [[ ! -e ${path} ]]; then
                echo "missing ${path}"
                continue
            fi
            find -L "${path}" -maxdepth 1 -type f ! -name '.*' -size -64M -print0 | sort -z | xargs -0r sha256sum
            # large files (archives, checkpoints) by size and time
            find -L "${path}" -maxdepth 1 -type f ! -name '.*' ! -size -64M -printf '%p %s %T@\n' | sort
        done
    } | sha256sum | cut -c 1-40
}
