#!/usr/bin/env bash
# score_id_0123456789ab: `bash invoke.sh` runs it again, from any directory
# See Also:
# /data/root/fit/fit_id_aa

kw_surroundings() {
export OMP_NUM_THREADS=1
{
ulimit -n 4096
} || return
}

kw_setup() {
{
module load tools
} || return
{
mkdir -p cache
} || return
}

kw_program() {
python -m project.score \
    --model=/data/root/fit/fit_id_aa/model.json \
    --note='it'"'"'s'
}

kw_teardown() {
rm -rf cache
}

# Below: what kwdagger knows about this job, and how it is claimed, run and recorded.
kw_id=score_id_0123456789ab kw_version=0.5.0
kw_root=/data/root
kw_inside=score/score_id_0123456789ab
kw_rundir=/data/root/score/score_id_0123456789ab
kw_cwd=/home/me/project
kw_path=/venv/bin
kw_outputs=(scores scores.json plots '/elsewhere/my plots')
kw_primary=scores.json
kw_preds=(fit_id_aa /data/root/fit/fit_id_aa 1 /data/root/fit/fit_id_aa/model.json)
kw_gathers=(models 1 /data/root/fit/fit_id_aa/model.json)
kw_fingerprints='{"code":{"score.py":"ab12"},"inputs":{},"command":"k3"'
kw_log=1 kw_resumable=
kw_exclusive=1 kw_has_surroundings=1
kw_timeouts=()
kw_retries=0 kw_retry_on=''
kw_leaves=''
kw_gpus=0 kw_devices=''
kw_has_setup=1 kw_has_teardown=1
[[ ${BASH_SOURCE[0]} == "$0" ]] || return 0
<machinery>
kw_main "$@"
