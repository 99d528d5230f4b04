# shellcheck shell=bash
# Where the commands of the stages run. `cmd_backend=slurm ./run.sh ...` puts the heavy ones on a cluster;
# a recipe with other needs replaces the link to this file with a file of its own.
#
# Each *_cmd is what comes before a command: it must run that command, pass on what it prints and end with
# its exit status. Empty: on this machine.
case ${cmd_backend:-local} in
    local)
        data_cmd="" translate_cmd="" train_cmd="" embed_cmd=""
        ;;
    slurm)
        data_cmd="srun --job-name mlclap_data --cpus-per-task 8 --mem 16G --time 1-0"
        translate_cmd="srun --job-name mlclap_translate --cpus-per-task 4 --gres gpu:1 --mem 32G --time 1-0"
        train_cmd="srun --job-name mlclap_train --cpus-per-task 8 --gres gpu:1 --mem 64G --time 3-0"
        embed_cmd="srun --job-name mlclap_embed --cpus-per-task 4 --gres gpu:1 --mem 32G --time 1-0"
        ;;
    *)
        echo "cmd.sh: error: cmd_backend must be local or slurm, not '${cmd_backend}'" >&2
        exit 2
        ;;
esac
export data_cmd translate_cmd train_cmd embed_cmd
