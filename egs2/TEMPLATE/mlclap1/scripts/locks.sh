# shellcheck shell=bash
# Who may read and write the data (data directories and formatted audio) when several runs share a folder.
#
# A run reads the data from its first stage to its last, together with others; as long as it writes them (stages 1 to
# 3, where something is to be done) it has them for itself. Two files say so: who holds WRITER is the only one that may ask for READERS alone, and does not give
# it back before it is a reader again; so nothing can change between what a run has made and its use of it.

_held=none # of the data: none, shared or alone

hold_data() { # FOLDER: be one of those that read the data; wait for one that writes them
    _readers=$1/.in_use _writer=$1/.lock
    mkdir -p "$1"
    exec 7>>"${_readers}" 8>>"${_writer}"
    _wait_for 7 -s "${_readers}" "writes the data here"
    _held=shared
}

own_data() { # have the data alone; status 1 if that was so before
    [[ ${_held} != alone ]] || return 1
    flock -u 7 # or two readers that want to write would wait for each other
    _wait_for 8 -x "${_writer}" "writes the data here"
    _wait_for 7 -x "${_readers}" "uses the data here"
    _held=alone
}

share_data() { # let others read them too
    [[ ${_held} == alone ]] || return 0
    flock -s 7
    flock -u 8
    _held=shared
}

# lock FILE: one run at a time; wait for another (also one that was killed, while its last command still runs).
lock() {
    mkdir -p "$(dirname "$1")"
    exec 9>"$1"
    _wait_for 9 -x "$1" "works here"
}

_wait_for() { # DESCRIPTOR KIND FILE WHAT
    if ! flock -n "$2" "$1"; then
        echo "  another run of this recipe $4; waiting for it to end (fuser $3 names it)"
        flock "$2" "$1"
    fi
}
