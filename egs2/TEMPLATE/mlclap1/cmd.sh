# shellcheck shell=bash
# Where the commands of the stages run. `cmd_backend=slurm ./run.sh ...` puts the heavy ones on a cluster, with as many GPUs as
# --ngpu says and what conf/slurm.conf makes of a job's settings; a recipe with other needs replaces the link to this
# file with a file of its own.
#
# Each *_cmd is what comes before a command: it must run that command, pass on what it prints and end with
# its exit status. Empty: on this machine. Each *_shard_cmd is what submits a script, for jobs that do a share of a stage each.
case ${cmd_backend:-local} in
    local)
        data_cmd="" translate_cmd="" train_cmd="" embed_cmd=""
        data_shard_cmd="" translate_shard_cmd="" embed_shard_cmd=""
        ;;
    slurm)
        . scripts/slurm.sh
        slurm_conf=conf/slurm.conf # of the recipe, or of all recipes
        [[ -f ${slurm_conf} ]] || slurm_conf=${MLCLAP_ROOT}/conf/slurm.conf
        gpus=${ngpu:-0}
        one_gpu=$((gpus > 0 ? 1 : 0))
        on_node="bash scripts/on_node.sh"
        data_cmd="$(slurm_command "${slurm_conf}" srun name=mlclap_data num_threads="${nj:-8}" mem=16G time=1-0) ${on_node}"
        # one process for each GPU, or --nj of them
        translate_cmd="$(slurm_command "${slurm_conf}" srun name=mlclap_translate gpu="${gpus}" \
            num_threads=$((gpus > 0 ? 4 * gpus : ${nj:-8})) mem=32G time=1-0) ${on_node}"
        # of each node
        train_cmd="$(slurm_command "${slurm_conf}" srun name=mlclap_train num_nodes="${num_nodes:-1}" gpu="${gpus}" \
            num_threads=$((gpus > 0 ? 8 * gpus : 8 * ${cpu_ranks:-1})) mem=64G time=3-0) --kill-on-bad-exit=1 ${on_node}"
        embed_cmd="$(slurm_command "${slurm_conf}" srun name=mlclap_embed gpu="${one_gpu}" num_threads=4 mem=32G \
            time=1-0) ${on_node}"
        data_shard_cmd=$(slurm_command "${slurm_conf}" sbatch name=mlclap_data num_threads=1 mem=8G time=1-0)
        translate_shard_cmd=$(slurm_command "${slurm_conf}" sbatch name=mlclap_translate gpu="${one_gpu}" \
            num_threads=4 mem=32G time=1-0)
        embed_shard_cmd=$(slurm_command "${slurm_conf}" sbatch name=mlclap_embed gpu="${one_gpu}" num_threads=4 \
            mem=32G time=1-0)
        ;;
    *)
        echo "cmd.sh: error: cmd_backend must be local or slurm, not '${cmd_backend}'" >&2
        exit 2
        ;;
esac
export data_cmd translate_cmd train_cmd embed_cmd data_shard_cmd translate_shard_cmd embed_shard_cmd
