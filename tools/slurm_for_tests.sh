#!/usr/bin/env bash
# A Slurm cluster of two nodes, n1 and n2, on this machine, to try cmd_backend=slurm:
#
#     tools/slurm_for_tests.sh start FOLDER      start it; all that it writes is in FOLDER
#     export SLURM_CONF=FOLDER/slurm.conf        then sinfo, srun, sbatch and the recipes use it
#     tools/slurm_for_tests.sh stop FOLDER       cancel its jobs and end all of its processes
#
# Without FOLDER: mlclap_slurm in $TMPDIR, or in /tmp. Needs the Debian packages slurmctld, slurmd, slurm-client
# and munge, which `start` installs where it may; nothing of theirs is configured or started outside of FOLDER, so that
# several such clusters can run beside each other. The nodes claim CPUs and memory that this machine may not have, so
# that the jobs of the recipes are let in as they are; they have no GPU.
set -euo pipefail

cpus=32 memory=256000 # of each node, as it says; the latter in MB

main() {
    local folder=${2:-${TMPDIR:-/tmp}/mlclap_slurm}
    case ${1:-} in
        start | stop) ;;
        *)
            sed -n -e '2,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
            return 2
            ;;
    esac
    folder=$(realpath -m "${folder}")
    PATH+=:/usr/sbin:/sbin # where Debian keeps daemons
    export SLURM_CONF=${folder}/slurm.conf
    "$1" "${folder}"
}

start() { # FOLDER
    if [[ -f ${SLURM_CONF} ]]; then
        if scontrol ping >/dev/null 2>&1; then
            echo "runs already: export SLURM_CONF=${SLURM_CONF}"
            return 0
        fi
        stop "$1"
    fi
    install_packages
    mkdir -p "$1"/{state,n1,n2}
    chmod 755 "$1" # munged refuses folders in which others may write
    configure "$1"
    if ! { launch "$1" && wait_for_nodes; }; then
        echo "slurm_for_tests.sh: error: Slurm does not start. The ends of its logs:" >&2
        tail -n 8 "$1"/*.log >&2
        stop "$1"
        return 1
    fi
    echo "export SLURM_CONF=${SLURM_CONF}"
}

install_packages() {
    local name missing=()
    local -A package=([slurmctld]=slurmctld [slurmd]=slurmd [srun]=slurm-client [munged]=munge)
    for name in "${!package[@]}"; do
        command -v "${name}" >/dev/null || missing+=("${package[${name}]}")
    done
    ((${#missing[@]})) || return 0
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        echo "slurm_for_tests.sh: error: ${missing[*]} are missing, and only root can install them (on Debian and" \
            "Ubuntu): apt-get install ${missing[*]}" >&2
        return 1
    fi
    echo "Debian packages that are missing and will be installed: ${missing[*]}" >&2
    apt-get update -q >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
}

configure() { # FOLDER
    local ports
    ports=$(free_ports 3)
    read -r controller first second <<<"${ports}"
    cat >"${SLURM_CONF}" <<END
ClusterName=mlclap_tests
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=${controller}
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$1/munge.socket
StateSaveLocation=$1/state
SlurmctldPidFile=$1/slurmctld.pid
SlurmctldLogFile=$1/slurmctld.log
SlurmdPidFile=$1/%n.pid
SlurmdLogFile=$1/%n.log
SlurmdSpoolDir=$1/%n
# no systemd, no cgroups, no database
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
# more than this machine has
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
# seconds: fast in what people wait for; a node of a busy machine may be silent for a while
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000,bf_interval=1
SlurmdTimeout=60
KillWait=2
InactiveLimit=0
ReturnToService=2
NodeName=n1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=${first} CPUs=${cpus} RealMemory=${memory}
NodeName=n2 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=${second} CPUs=${cpus} RealMemory=${memory}
PartitionName=all Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
END
}

free_ports() { # NUMBER
    python3 -c 'import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in sockets: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))' "$1"
}

launch() { # FOLDER
    local node
    [[ -f $1/munge.key ]] || head -c 128 /dev/urandom >"$1/munge.key"
    chmod 400 "$1/munge.key"
    munged --force --socket "$1/munge.socket" --key-file "$1/munge.key" --pid-file "$1/munged.pid" \
        --log-file "$1/munged.log" --seed-file "$1/munged.seed"
    slurmctld
    for node in n1 n2; do slurmd -N "${node}"; done
}

wait_for_nodes() {
    local end=$((SECONDS + 30))
    until [[ $(sinfo --noheader --format %T 2>/dev/null) == idle && $(sinfo --noheader --format %D) == 2 ]]; do
        ((SECONDS < end)) || return 1
        sleep 0.2
    done
}

stop() { # FOLDER
    local file end
    [[ -f ${SLURM_CONF} ]] || { echo "nothing runs in $1"; return 0; }
    if scontrol ping >/dev/null 2>&1; then
        squeue --noheader --format %A | xargs -r scancel --full 2>/dev/null || true
        end=$((SECONDS + 10))
        until [[ -z $(squeue --noheader) ]] || ((SECONDS >= end)); do sleep 0.2; done
    fi
    for file in "$1"/{n1,n2,slurmctld,munged}.pid; do
        if [[ -f ${file} ]]; then end_process "$(<"${file}")"; fi
    done
    # those that watch over jobs, and what is left of these
    for file in $(processes_of_cluster); do end_process "${file}"; done
    rm -f "${SLURM_CONF}"
}

processes_of_cluster() { # those that were started by its daemons
    grep -lzsFx -e "SLURMD_NODENAME=n1" -e "SLURMD_NODENAME=n2" /proc/[0-9]*/environ | while IFS= read -r file; do
        if grep -qzsFx "SLURM_CONF=${SLURM_CONF}" "${file}"; then
            file=${file#/proc/}
            echo "${file%/environ}"
        fi
    done
    pgrep --full "slurmstepd" | while IFS= read -r file; do
        if grep -qzsFx "SLURM_CONF=${SLURM_CONF}" "/proc/${file}/environ"; then echo "${file}"; fi
    done
}

end_process() { # PID: ask, then force
    local end=$((SECONDS + 5))
    kill "$1" 2>/dev/null || return 0
    while runs "$1"; do
        if ((SECONDS >= end)); then kill -KILL "$1" 2>/dev/null || true; fi
        sleep 0.1
    done
}

runs() { # PID; what has ended may be listed until its parent asks for it
    [[ $(ps --no-headers --format state --pid "$1") == [^Z]* ]]
}

main "$@"
