# shellcheck shell=bash
# Environment of the recipes: the one that `make -C tools env` makes, else the one that is active.
MLCLAP_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd -P)
if [[ -f ${MLCLAP_ROOT}/tools/venv/bin/activate && -f ${MLCLAP_ROOT}/tools/.done/python ]]; then
    # shellcheck disable=SC1091
    . "${MLCLAP_ROOT}/tools/venv/bin/activate"
fi
export MLCLAP_ROOT
# fairseq2 finds the SONAR models that a recipe brings by name (the user's own: FAIRSEQ2_USER_ASSET_DIR)
if [[ -d sonar_assets ]]; then export FAIRSEQ2_ASSET_DIR=${PWD}/sonar_assets; fi
export PYTHONPATH=${MLCLAP_ROOT}${PYTHONPATH:+:${PYTHONPATH}}
export LC_ALL=C.UTF-8 PYTHONUTF8=1 # text is UTF-8 and sorted by bytes whatever the user's locale
# threads that wait for each other sleep: where other work has a core, those that spin make a training several times as slow
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
