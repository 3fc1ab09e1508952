# Trying again. Only in run scripts that may.

# Is another attempt due after this one?
kw_is_retried() {
    local rule
    [[ $kw_stop_signal || $kw_state == passed || $kw_state == cancelled ]] && return 1
    [[ " $kw_leaves " == *" $kw_state "* ]] && return 1
    for rule in $kw_retry_on; do
        case $rule in
            any) return 0 ;;
            timeout | oom) [[ $kw_state == "$rule" ]] && return 0 ;;
            signal) [[ $kw_state == killed ]] && return 0 ;;
            exit) [[ $kw_state == failed && $kw_exit_code != 0 ]] && return 0 ;;
            *) [[ $kw_state != timeout && $kw_exit_code == "$rule" ]] && return 0 ;;
        esac
    done
    return 1
}

# Go on to the next attempt without letting go in between: the new claim stands before the old
# one is filed. 1: someone is just looking at the directory; then this attempt was the last.
kw_next_claim() {
    local old=$kw_claim tries
    kw_claim=$kw_dir/.claim.$((++kw_attempt))
    for tries in {1..50}; do
        if kw_create; then
            kw_retired=$old
            return 0
        fi
        sleep 0.02
    done
    kw_claim=$old
    ((--kw_attempt))
    return 1
}

# No further attempt after all: the record of the last one is the job's.
kw_unretire() {
    [[ -e $kw_retired ]] && mv -T -- "$kw_retired" "$kw_dir/job_status.json"
}
