# shellcheck shell=bash
# What a job asks of Slurm, from a file of ESPnet's form (conf/slurm.conf):
#
#     command srun                               # what starts a job; srun or sbatch, each is put where it is needed
#     option mem=* --mem $0                      # words for a setting of any value, which is $0 in them
#     option gpu=0 -p cpu                        # for one value; before `*`
#     default gpu=0                              # of a setting that a job does not name

# slurm_command FILE KIND NAME=VALUE...
# Print the words that come before a command (KIND srun) or a script (KIND sbatch).
slurm_command() {
    local file=$1 program=$2 kind rest name value words
    local -A exact=() any=() settings=()
    local -a order=() command=() added=()
    shift 2
    while read -r kind rest || [[ -n ${kind} ]]; do
        rest=${rest%%#*}
        case ${kind} in
            command)
                read -ra command <<<"${rest}"
                if [[ ${command[0]:-} != srun && ${command[0]:-} != sbatch ]]; then
                    echo "${file}: error: command must be srun or sbatch with options, not '${rest}'" >&2
                    return 2
                fi
                command[0]=${program}
                ;;
            default) settings[${rest%%=*}]=${rest#*=} ;;
            option)
                read -r name words <<<"${rest}"
                value=${name#*=} name=${name%%=*}
                if [[ ${value} == "*" ]]; then any[${name}]=${words}; else exact[${name}=${value}]=${words}; fi
                if [[ " ${order[*]} " != *" ${name} "* ]]; then order+=("${name}"); fi
                ;;
            "" | \#*) ;;
            *)
                echo "${file}: error: a line begins with command, option or default, not with '${kind}'" >&2
                return 2
                ;;
        esac
    done <"${file}"
    for value; do settings[${value%%=*}]=${value#*=}; done
    for name in "${order[@]}"; do
        value=${settings[${name}]:-}
        [[ -n ${value} ]] || continue
        words=${exact[${name}=${value}]-${any[${name}]:-}}
        read -ra added <<<"${words//\$0/${value}}"
        command+=("${added[@]}")
    done
    echo "${command[*]}"
}
