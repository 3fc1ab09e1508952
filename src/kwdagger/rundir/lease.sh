# GPU leases: one lock file for each device of this host, shared by all schedulers and roots.
#
# * A job takes all its devices or none, behind one master lock, so that no two jobs wait for
#   each other. Jobs that ask for the same devices wait in turn, so that none starves.
# * The locks are held by the run script's shells and by nothing that they start: a dead job
#   lets go, and a program that outlives its killed run script keeps its devices until it ends.

# Take devices: kw_visible. KWDAGGER_DEVICES=queue: the queue allots them.
kw_lease() {
    local devices=${KWDAGGER_DEVICES-$kw_devices} names turn status
    kw_leases=()
    [[ $devices == queue ]] && return 0
    IFS=, read -r -a names <<<"$devices"
    if ((${#names[@]} < kw_gpus)); then
        kw_say "needs $kw_gpus GPUs, but knows of ${#names[@]}: name them, as in KWDAGGER_DEVICES=0,1"
        return 2
    fi
    if ! command -v flock >/dev/null; then
        kw_say 'needs the program flock (util-linux) to share GPUs'
        return 2
    fi
    kw_open_lock "turn-$devices" && turn=$kw_lock || return 73
    kw_await_lock "$turn"
    status=$?
    while [[ $status == 0 ]]; do
        kw_take_devices "${names[@]}"
        status=$?
        ((status == 1)) || break
        status=0
        [[ $kw_stop_signal ]] && status=$((128 + kw_stop_signal))
        sleep 0.2
    done
    exec {turn}>&-
    return "$status"
}

# All or nothing; 1: too few are free, 73: a lock cannot be opened.
kw_take_devices() {
    local master name status=0
    kw_open_lock master && master=$kw_lock || return 73
    flock "$master"
    for name; do
        ((${#kw_leases[@]} == kw_gpus)) && break
        kw_open_lock "device-$name" || {
            status=73
            break
        }
        if flock -n "$kw_lock"; then
            kw_leases+=("$kw_lock")
            kw_closers+=" $kw_lock<&-" kw_visible+=${kw_visible:+,}$name
        else
            exec {kw_lock}<&-
        fi
    done
    ((${#kw_leases[@]} == kw_gpus)) || kw_end_lease
    exec {master}<&-
    ((status == 0)) || return "$status"
    ((${#kw_leases[@]}))
}

kw_end_lease() {
    local lock
    for lock in "${kw_leases[@]}"; do
        exec {lock}<&-
    done
    kw_leases=() kw_closers= kw_visible=
}

# Wait for a lock; a stop ends the wait.
kw_await_lock() {
    until flock -w 0.5 "$1"; do
        [[ $kw_stop_signal ]] && return $((128 + kw_stop_signal))
    done
    return 0
}

# kw_lock: a descriptor of the lock file of that name. Everybody on the host may lock it.
kw_open_lock() {
    local folder=${KWDAGGER_LEASE_DIR-} file
    if [[ ! $folder ]]; then
        folder=/run/lock
        [[ -d $folder && -w $folder ]] || folder=/tmp
        folder+=/kwdagger-devices
    fi
    file=$folder/${1//[!A-Za-z0-9,.-]/_}.lock
    if [[ ! -e $file ]]; then
        (
            umask 0
            [[ -d $folder ]] || mkdir -p -m 1777 -- "$folder"
            : >>"$file"
        ) 2>/dev/null
    fi
    { exec {kw_lock}<"$file"; } 2>/dev/null && return 0
    kw_say "cannot lock devices in $folder (KWDAGGER_LEASE_DIR names another folder)"
    return 73
}
