#!/usr/bin/env bash
# kwdagger: many run directories, one after another
<pack machinery>
kw_total=1
kw_journal=/journal kw_strict=
kw_scheduler_pid= kw_scheduler_start=
kw_report=
[[ -t 1 ]] && kw_report=1
kw_pack_begin
kw_pack_job fit_id_aa /data/root/fit/fit_id_aa/invoke.sh
kw_pack_end
