# shellcheck shell=bash
# Options of a script, taken from the script itself. Source this file, then
#
#     parse_options "${BASH_SOURCE[0]}" "$@"
#
# Between the lines `# --- options` and `# --- end of options` the script declares each option as a variable:
#
#     name=default  # {allowed} what it is for
#
# {allowed} is optional: {a|b} for words, {1..9} or {0..} for whole numbers, {0-1} for a number in a range. The word
# package.module:Class stands for every class that is named like this.
# `--name value` or `--name=value` sets it, `--help` prints what is declared there. An unknown name, a missing
# or a forbidden value ends the script with status 2.
#
# Before a lone `--` come the choices of a recipe, which replace the defaults: `chosen NAME` says whether
# the user has chosen something else.

option_error() {
    echo "${0##*/}: error: $*" >&2
    echo "${0##*/} --help lists the options." >&2
    exit 2
}

_declared_options() {
    sed -n '/^# --- options/,/^# --- end of options/p' "$1"
}

_print_help() {
    local line name value
    sed -n -e '/^# shellcheck/d' -e '2,/^[^#]/s/^# \{0,1\}//p' "$1"
    while IFS= read -r line; do
        if [[ ${line} == "## "* ]]; then
            printf '\n%s:\n' "${line#\#\# }"
        elif [[ ${line} =~ ^([a-z][a-z0-9_]*)=.*[[:space:]]#[[:space:]](.*)$ ]]; then
            name=${BASH_REMATCH[1]}
            value=" (default: ${!name:-none})"
            if [[ ${BASH_REMATCH[2]} == *"(default: "* && -z ${!name} ]]; then value=""; fi
            printf '  --%-22s %s%s\n' "${name}" "${BASH_REMATCH[2]}" "${value}"
        fi
    done < <(_declared_options "$1")
}

_nearest_option() {  # NAME NAMES...
    python3 -c 'import difflib, sys
near = difflib.get_close_matches(sys.argv[1], sys.argv[2:], n=1, cutoff=0.5)
print(f" Did you mean --{near[0]}?" if near else "")' "$@"
}

_check_value() {  # NAME VALUE ALLOWED
    local name=$1 value=$2 allowed=$3
    case ${allowed} in
        "") ;;
        *..*)
            local low=${allowed%..*} high=${allowed#*..}
            if [[ ! ${value} =~ ^[0-9]{1,9}$ ]] || ((10#${value} < low || 10#${value} > ${high:-999999999})); then
                option_error "--${name} must be a whole number from ${low} up${high:+ to ${high}}, not '${value}'."
            fi
            ;;
        *-*)
            if [[ ! ${value} =~ ^[0-9]*\.?[0-9]+$ ]] ||
                awk -v v="${value}" -v a="${allowed}" 'BEGIN {split(a, r, "-"); exit v >= r[1] && v <= r[2]}'; then
                option_error "--${name} must be a number from ${allowed%-*} to ${allowed#*-}, not '${value}'."
            fi
            ;;
        *)
            [[ "|${allowed}|" == *"|package.module:Class|"* && ${value} =~ ^[A-Za-z0-9_.]+:[A-Za-z0-9_]+$ ]] ||
                [[ "|${allowed}|" == *"|${value}|"* && -n ${value} ]] ||
                option_error "--${name} must be one of ${allowed//|/, }, not '${value}'."
            ;;
    esac
}

declare -A _default=()

chosen() { # NAME: has the user given another value than the default, or the recipe's choice?
    [[ ${!1} != "${_default[$1]}" ]]
}

parse_options() {  # SCRIPT ARGUMENTS...
    local script=$1 line name value
    local -A allowed=()
    shift
    while IFS= read -r line; do
        [[ ${line} =~ ^([a-z][a-z0-9_]*)=.*[[:space:]]#[[:space:]](.*)$ ]] || continue
        name=${BASH_REMATCH[1]} value=""
        [[ ${BASH_REMATCH[2]} =~ ^\{([^}]+)\} ]] && value=${BASH_REMATCH[1]}
        allowed[${name}]=${value}
    done < <(_declared_options "${script}")
    for name in "${!allowed[@]}"; do _default[${name}]=${!name}; done
    while (($#)); do
        if [[ $1 == --help || $1 == -h ]]; then
            for name in "${!allowed[@]}"; do printf -v "${name}" '%s' "${_default[${name}]}"; done
            _print_help "${script}"
            exit 0
        fi
        if [[ $1 == -- ]]; then
            for name in "${!allowed[@]}"; do _default[${name}]=${!name}; done
            shift
            continue
        fi
        [[ $1 == --* ]] || option_error "'$1' is not an option; values with spaces need quotes."
        name=${1#--}
        if [[ ${name} == *=* ]]; then
            value=${name#*=} name=${name%%=*}
            set -- "--${name}" "${value}" "${@:2}"
        fi
        [[ -n ${name} && -v "allowed[${name}]" ]] ||
            option_error "unknown option --${name}.$(_nearest_option "${name}" "${!allowed[@]}")"
        if (($# < 2)) || [[ $2 == -- || ($2 == --* && -v "allowed[${2#--}]") ]]; then
            option_error "--${name} has no value."
        fi
        value=$2
        _check_value "${name}" "${value}" "${allowed[${name}]}"
        if [[ ${allowed[${name}]} == *..* ]]; then value=$((10#${value})); fi # 08 would be octal
        printf -v "${name}" '%s' "${value}"
        shift 2
    done
}
