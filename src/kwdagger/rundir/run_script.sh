# What `bash invoke.sh` does, in order; a pack calls kw_job for each of its run scripts.

# Our own place: kw_dir. Where it is not the recorded one, everything under the recorded root
# is taken to lie under the root found from here.
kw_locate() {
    local source=$1 old new
    kw_moved=
    [[ -L $source ]] && source=$(readlink -f -- "$source")
    [[ $source == */* ]] || source=./$source
    if [[ ${source%/*} -ef $kw_rundir ]]; then
        kw_dir=$kw_rundir
        return 0
    fi
    source=$(CDPATH= cd -P -- "${source%/*}" && printf '%s/' "$PWD") || return 2
    kw_dir=${source%/}
    old=$kw_rundir new=$kw_dir
    if [[ $kw_inside && $kw_dir == */"$kw_inside" ]]; then
        old=$kw_root new=${kw_dir%/"$kw_inside"}
    fi
    kw_relocate "$old" "$new"
}

# Spell paths under $1 as paths under $2, in data and in the functions' text.
kw_relocate() {
    local old=$1 new=$2 index name plain='[!A-Za-z0-9@%_+=:,./-]' active='["'\''$`\\]'
    kw_moved=1
    if [[ $old == *$active* || $new == *$active* || ($old != *$plain* && $new == *$plain*) ]]; then
        kw_say "was moved from $old to $new, which its command cannot spell: run kwdagger schedule again"
        return 2
    fi
    for name in kw_program kw_setup kw_teardown kw_surroundings; do
        declare -F "$name" >/dev/null || continue
        kw_respell "$(declare -f "$name")" "$old" "$new"
        eval "$kw_text"
    done
    for name in kw_cwd kw_path kw_primary ${kw_service:+kw_service_record}; do
        kw_respell "${!name}" "$old" "$new"
        printf -v "$name" %s "$kw_text"
    done
    for name in kw_outputs kw_preds kw_gathers; do
        local -n words=$name
        for index in "${!words[@]}"; do
            kw_respell "${words[index]}" "$old" "$new"
            words[index]=$kw_text
        done
        unset -n words
    done
}

# kw_text: $1 with the path $2 spelled as $3, where $2 is not a part of a longer name.
kw_respell() {
    local rest=$1 before after
    kw_text=
    while [[ $rest == *"$2"* ]]; do
        before=${rest%%"$2"*} rest=${rest#*"$2"}
        kw_text+=$before
        before=${kw_text: -1} after=${rest:0:1}
        if [[ $before == [A-Za-z0-9_./-] || $after == [A-Za-z0-9_.-] ]]; then
            kw_text+=$2
        else
            kw_text+=$3
        fi
    done
    kw_text+=$rest
}

# Run one job; the result is the exit code, and for packs kw_result: a state of a record, or
# done, held, elsewhere, not_started.
kw_job() {
    local status
    kw_result=not_started kw_reason= kw_status=
    kw_stop_signal=${kw_stop_signal-} kw_forwarded= kw_child_pid= kw_cleared= kw_tries=0 kw_retired=
    kw_locate "$1" || return
    kw_record=none
    kw_read_record
    kw_refuse_or_done
    status=$?
    if [[ $status == 0 ]]; then
        kw_check_predecessors
        status=$?
    fi
    if [[ $status == 0 ]]; then
        [[ ${kw_other_cwd-} ]] && kw_cwd=$kw_other_cwd
        if [[ ! -d $kw_cwd || ! -x $kw_cwd ]]; then
            kw_say "its working directory is not there: $kw_cwd (--cwd DIR runs it elsewhere)"
            return 2
        fi
        kw_once
        kw_visible= kw_closers=
        ((kw_gpus == 0)) || kw_lease
        status=$?
    fi
    if [[ $status == 0 ]]; then
        kw_acquire
        status=$?
    fi
    if [[ $status == 0 ]]; then
        while :; do
            kw_attempt_once
            status=$?
            [[ $kw_again ]] || break
            ((++kw_tries))
        done
    else
        kw_not_run "$status"
        status=$?
    fi
    [[ ! ${kw_service-} ]] || kw_leave_service
    ((kw_gpus == 0)) || kw_end_lease
    return "$status"
}

# Say why nothing was run.
kw_not_run() {
    case $1 in
        200)
            kw_result=done
            kw_say 'is done already (--force runs it again)'
            return 0
            ;;
        69) kw_result=held ;;
        75) kw_result=elsewhere ;;
    esac
    return "$1"
}

# The claim is ours: look, work, judge, publish.
kw_attempt_once() {
    local status=0
    kw_again= kw_completed=
    kw_stat self
    kw_started_cpu=$((kw_fields[13] + kw_fields[14]))
    kw_survey
    status=$?
    if [[ $kw_stop_signal || $status != 0 ]]; then
        [[ $kw_stop_signal ]] && status=$((128 + kw_stop_signal))
        [[ $kw_retired ]] && kw_unretire
        kw_withdraw
        kw_not_run "$status"
        return
    fi
    kw_started_hook
    [[ ${kw_service-} ]] && kw_hold_services
    kw_start
    kw_wait
    kw_judge
    status=$?
    [[ ${kw_service-} ]] && kw_blame_service
    [[ $kw_state == passed ]] || kw_end_rest
    if [[ $status != 0 ]]; then
        kw_cleared=1
        [[ $kw_retired ]] && kw_unretire
        kw_withdraw
        [[ $status == 73 ]] && kw_say "cannot write in $kw_dir (is it read-only or full?)"
        [[ $status == 75 ]] && kw_say 'was taken over'
        kw_not_run "$status"
        return
    fi
    kw_result=$kw_state
    if ((kw_tries < kw_retries)) && kw_is_retried && kw_complete; then
        kw_completed=1
        if kw_next_claim; then
            kw_again=1
            kw_say "$kw_state: $kw_reason; trying again ($((kw_tries + 1)) of $kw_retries)"
            return 0
        fi
    fi
    kw_publish || {
        kw_result=failed
        return 74
    }
    if [[ $kw_reason && ! ${kw_quiet-} ]]; then
        kw_say "$kw_state: $kw_reason${kw_log:+ (log: $kw_dir/job.log)}"
    fi
    return "$kw_status"
}

kw_started_hook() { :; }

kw_begin() {
    set +eu
    # The program gets its own time zone back, see kw_child.
    kw_zone=${TZ-} kw_has_zone=${TZ+1}
    TZ=UTC0
    kw_force= kw_takeover= kw_stops=0 kw_stop_signal= kw_child_pid=
    if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
        printf 'kwdagger: needs bash 4.4 or newer, this is %s\n' "$BASH_VERSION" >&2
        exit 2
    fi
    trap 'kw_stop HUP 1' HUP
    trap 'kw_stop INT 2' INT
    trap 'kw_stop TERM 15' TERM
    trap 'kw_pass_on USR1' USR1
    trap 'kw_pass_on USR2' USR2
}

kw_main() {
    kw_begin
    while (($#)); do
        case $1 in
            --force) kw_force=1 ;;
            --takeover) kw_takeover=1 ;;
            --cwd) kw_other_cwd=$(CDPATH= cd -- "${2:?--cwd needs a directory}" && printf '%s/' "$PWD") || exit 2
                shift ;;
            *)
                printf 'usage: bash invoke.sh [--force] [--takeover] [--cwd DIR]\n' >&2
                [[ $1 == --help ]] && exit 0
                exit 2
                ;;
        esac
        shift
    done
    kw_job "${BASH_SOURCE[0]}"
    exit
}
