#!/usr/bin/env bash
# fit_id_aa: `bash invoke.sh` runs it again, from any directory
# Root node

kw_program() {
python fit.py
}

# Below: what kwdagger knows about this job, and how it is claimed, run and recorded.
kw_id=fit_id_aa kw_version=''
kw_root=/data/root
kw_inside=fit/fit_id_aa
kw_rundir=/data/root/fit/fit_id_aa
kw_cwd=/home/me/project
kw_path=''
kw_outputs=()
kw_primary=''
kw_preds=()
kw_gathers=()
kw_fingerprints='{"code":null,"inputs":null,"command":null'
kw_log=1 kw_resumable=
kw_exclusive=1 kw_has_surroundings=
kw_timeouts=()
kw_retries=0 kw_retry_on=''
kw_leaves=''
kw_gpus=0 kw_devices=''
kw_has_setup= kw_has_teardown=
[[ ${BASH_SOURCE[0]} == "$0" ]] || return 0
<machinery>
kw_main "$@"
