#!/usr/bin/env bash
# Runs a kwdagger plan; needs bash 4.4 and coreutils. Can be repeated.
<pack machinery>
kw_total=1
kw_journal= kw_strict=1 kw_scheduler_pid= kw_scheduler_start= kw_report=1
kw_pack_begin
kw_pack_job fit_id_aa /data/root/fit/fit_id_aa/invoke.sh
kw_pack_end
