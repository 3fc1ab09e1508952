# Several shells that take jobs of one list side by side, each the next one that is ready.
#
# * kw_jobs lists ids, kw_scripts their run scripts, kw_needs the indices of predecessors in the
#   list. Everything that workers tell each other lies in the folder kw_marks.
# * A job is taken by creating `<index>.taken` with noclobber, which names its worker. Once that
#   is through with it, whatever became of it, `<index>.ended` is there.
# * What a dead worker had taken counts as ended: run scripts check their predecessors'
#   records, and the next schedule call runs what was interrupted.

# Worker number $1 from begin to end; the exit code is 1 when a job of it failed.
kw_worker() {
    kw_pack_begin
    kw_through=() kw_empty=() kw_failures=() kw_idle=20
    printf '%d %s \n' $$ "$kw_self_start" >"$kw_marks/worker-$1.pid"
    kw_work
    [[ $kw_stop_signal ]] && exit $((128 + kw_stop_signal))
    ((${#kw_failures[@]})) || exit 0
    if [[ $kw_report ]]; then
        printf '\n%d of the jobs that ran here failed:\n' "${#kw_failures[@]}"
        printf '  %s\n' "${kw_failures[@]}"
    fi
    exit 1
}

kw_work() {
    local index first=0 open went
    local -a gone=()
    while ((first < kw_total)); do
        open= went=
        for ((index = first; index < kw_total; ++index)); do
            [[ ${gone[index]-} ]] && continue
            if ! kw_is_ready "$index"; then
                open=1
                continue
            fi
            gone[index]=1
            kw_take "$index" || continue
            went=1 kw_idle=20
            kw_pack_job "${kw_jobs[index]}" "${kw_scripts[index]}"
            [[ $kw_stop_signal ]] && return
            : >"$kw_marks/$index.ended"
            kw_note_failure "$index"
        done
        [[ $kw_stop_signal || ! $open ]] && return
        while [[ ${gone[first]-} ]]; do
            ((++first))
        done
        [[ $went ]] || kw_rest
    done
}

# Nothing was ready: wait, longer each time, without starting a process.
kw_rest() {
    local seconds
    printf -v seconds '0.%03d' "$kw_idle"
    read -r -t "$seconds" <>"$kw_marks/idle"
    ((kw_idle = kw_idle < 200 ? kw_idle * 2 : 400))
    [[ -e $kw_marks/stop ]] && kw_stop_signal=15
    [[ $kw_stop_signal ]]
}

kw_take() {
    local status
    [[ -e $kw_marks/stop ]] && kw_stop_signal=15
    [[ $kw_stop_signal || -e $kw_marks/$1.taken ]] && return 1
    set -C
    { printf '%d %s \n' $$ "$kw_self_start" >"$kw_marks/$1.taken"; } 2>/dev/null
    status=$?
    set +C
    return "$status"
}

# Have all predecessors of this job ended? Whether their workers live is asked while waiting.
kw_is_ready() {
    local need
    for need in ${kw_needs[$1]}; do
        [[ ${kw_through[need]-} ]] && continue
        [[ -e $kw_marks/$need.ended ]] || { ((kw_idle > 100)) && kw_is_orphan "$need"; } || return 1
        kw_through[need]=1
    done
    return 0
}

# Was this job taken by a worker that is gone? One that died right after taking left no text.
kw_is_orphan() {
    local pid= start=
    [[ -e $kw_marks/$1.taken ]] || return 1
    read -r pid start <"$kw_marks/$1.taken"
    if [[ ! $start ]]; then
        ((++kw_empty[$1] > 20))
        return
    fi
    ! { kw_stat "$pid" && [[ ${kw_fields[19]} == "$start" && ${kw_fields[0]} != [ZX] ]]; }
}

kw_note_failure() {
    case $kw_result in
        passed | done | held | elsewhere) ;;
        *) kw_failures+=("${kw_jobs[$1]} $kw_result${kw_reason:+: $kw_reason} (bash ${kw_scripts[$1]})") ;;
    esac
}
