#!/usr/bin/env bash
# Stop the Slurm that slurm_up.sh started in SLURM_TEST_DIR, and nothing else.
#
# With --after PID: once that process has ended, and then the folder is removed as well, so that
# a test run that was killed leaves nothing behind.
set -uo pipefail

folder=${SLURM_TEST_DIR:?the folder of the cluster}
export SLURM_CONF=$folder/etc/slurm.conf

# Nobody needs its state any more, and a polite slurmctld takes ten seconds.
stop() {
    [[ -s $1 ]] || return 0
    kill -9 "$(<"$1")" 2>/dev/null
    rm -f "$1"
}

if [[ ${1-} == --after ]]; then
    tail --pid="$2" -f /dev/null
fi
[[ -d $folder/run ]] || exit 0
if [[ -s $folder/run/slurmctld.pid ]]; then
    timeout 10 scancel --state=PENDING --user="$(id -un)" 2>/dev/null
    timeout 10 scancel --user="$(id -un)" 2>/dev/null
    for ((tries = 0; tries < 50; ++tries)); do
        [[ $(timeout 5 squeue -h 2>/dev/null) ]] || break
        sleep 0.1
    done
fi
for file in "$folder"/run/slurmd-*.pid "$folder/run/slurmctld.pid" "$folder/run/munged.pid"; do
    stop "$file"
done
if [[ ${1-} == --after ]]; then
    rm -rf "$folder"
fi
exit 0
