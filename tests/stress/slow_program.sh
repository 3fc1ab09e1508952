#!/usr/bin/env bash
# A program that takes its time: it writes its output in two halves and seals it at the end.
# It copies the seal of each file that it reads, and tells a ledger outside of the run
# directory what it does. A lock shows whether another attempt of the same job still lives.
for word; do
    case $word in
        --out=*) out=${word#*=} ;;
        --src=*) sources=("${word#*=}") ;;
        --members=*) mapfile -t sources <"${word#*=}" ;;
    esac
done
job=${out%/*} job=${job##*/}
read -r _ _ _ _ group _ </proc/self/stat

tell() { printf '%s %s %s\n' "$1" "$job" "$group" >>"$KILLS_DIR/ledger.txt"; }

# A file is whole when its last line seals all lines before it.
seal_of() {
    local lines seal IFS=$'\n'
    mapfile -t lines <"$1"
    ((${#lines[@]} > 1)) || return 1
    seal=$(md5sum <<<"${lines[*]:0:${#lines[@]}-1}") || return 9
    [[ ${lines[-1]} == "seal ${seal%% *}" ]] || return 1
    printf '%s' "${seal%% *}"
}

exec {lock}>"$KILLS_DIR/locks/$job"
flock --nonblock --conflict-exit-code 42 "$lock"
case $? in
    0) ;;
    42) tell overlap ;;
    *) exit 9 ;;
esac
tell begin
text="first $job $group"
for source in "${sources[@]}"; do
    seal=$(seal_of "$source")
    case $? in
        0) text+=$'\n'"read $source $seal" ;;
        1) tell partial; exit 8 ;;
        *) exit 9 ;;
    esac
done
printf '%s\n' "$text" >"$out"
sleep "0.0$((RANDOM % 8 + 1))"
# The second half comes from a child, which need not die with its parent.
bash -c 'sleep "0.0$((RANDOM % 8 + 1))"; printf "second %s %s\n" "$2" "$3" >>"$1"' writer "$out" "$job" "$group" || exit
text+=$'\n'"second $job $group"
seal=$(md5sum <<<"$text") || exit
printf 'seal %s\n' "${seal%% *}" >>"$out"
tell end
