# Many run directories in one shell: kw_job for each, in order, past failures. The shell is
# the supervisor of one program at a time; its traps pass a stop on to that program.

kw_pack_begin() {
    kw_begin
    kw_quiet=1 kw_journal_fd= kw_count=0 kw_bad=0
    kw_once
    kw_now
    [[ $kw_journal ]] || return 0
    [[ $kw_journal == *.jsonl ]] || kw_journal=$kw_journal/${kw_host//[\"\\]/}-$$.jsonl
    { exec {kw_journal_fd}>>"$kw_journal"; } 2>/dev/null
}

# kw_pack_job <process id> <run script>
kw_pack_job() {
    [[ $kw_stop_signal ]] && return
    if [[ $kw_scheduler_pid ]] && ! { kw_stat "$kw_scheduler_pid" && [[ ${kw_fields[19]} == "$kw_scheduler_start" && ${kw_fields[0]} != [ZX] ]]; }; then
        kw_stop_signal=1
        return
    fi
    local state
    kw_id=$1 kw_exit_code=null kw_reason= kw_result=not_started kw_service=
    if [[ -r $2 ]] && . "$2"; then
        kw_job "$2"
    else
        kw_reason="its run script is missing or broken: $2"
    fi
    state=$kw_result
    [[ $state == done ]] && state=passed
    ((++kw_count))
    [[ $state == passed ]] || ((++kw_bad))
    if [[ $kw_journal_fd ]]; then
        local reason=null
        if [[ $kw_reason ]]; then
            kw_json "$kw_reason"
            reason=$kw_text
        fi
        [[ $kw_result == passed || $kw_result == failed ]] || kw_now
        printf '{"event":"finished","job":"%s","time":"%s","state":"%s","exit_code":%s,"reason":%s}\n' \
            "$1" "$kw_time" "$state" "$kw_exit_code" "$reason" >&"$kw_journal_fd"
    fi
    if [[ $kw_report ]]; then
        printf '[%d/%d] %s %s%s\n' "$kw_count" "$kw_total" "$1" "$kw_result" "${kw_reason:+: $kw_reason}"
    fi
    return 0
}

kw_started_hook() {
    [[ $kw_journal_fd ]] || return 0
    printf '{"event":"started","job":"%s","time":"%s"}\n' "$kw_id" "$kw_started_at" >&"$kw_journal_fd"
}

# A pack has done its work whatever became of its jobs: their records say that.
kw_pack_end() {
    [[ $kw_stop_signal ]] && exit $((128 + kw_stop_signal))
    [[ $kw_strict ]] || exit 0
    printf '%d of %d jobs are done, %d are not\n' $((kw_count - kw_bad)) "$kw_total" "$kw_bad"
    ((kw_bad == 0))
    exit
}
