#!/usr/bin/env bash
# Where there is no systemd, in a container: a backup every day and a drill every week, until it is stopped.
#
# When each was tried last stands in files beside the drill's folder, so that a restart makes neither early nor late. How they
# went is reported by themselves; what fails is tried again an hour later.
#
#   MLANGO_BACKUP_EVERY   seconds from one backup to the next (86400)
#   MLANGO_DRILL_EVERY    seconds from one drill to the next (604800)
set -Eeuo pipefail
HERE=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd -P)
# shellcheck source=common.bash
. "$HERE/common.bash"

readonly STATE=${MLANGO_DRILL_HOME:-/var/lib/mlango-drill}
readonly AFTER_FAILURE=3600
# How often it is looked whether something is due.
readonly LOOK=30

main() {
    need_settings
    mkdir -p -m 700 "$STATE"
    trap 'exit 0' INT TERM
    say "A backup every $((${MLANGO_BACKUP_EVERY:-86400} / 3600)) hours, a drill every $((${MLANGO_DRILL_EVERY:-604800} / 3600))."
    while true; do
        when_due backup "${MLANGO_BACKUP_EVERY:-86400}" "$HERE/backup.bash" daily
        when_due drill "${MLANGO_DRILL_EVERY:-604800}" "$HERE/drill.bash"
        # A signal ends the pause at once.
        sleep "$LOOK" &
        wait $! || true
    done
}

when_due() { # NAME SECONDS COMMAND...
    local file=$STATE/$1.next every=$2 next=0 present
    shift 2
    present=$(date +%s)
    [[ ! -s $file ]] || next=$(<"$file")
    ((present >= next)) || return 0
    # Written before, so that one that kills the container is not tried again and again.
    printf '%s\n' $((present + AFTER_FAILURE)) >"$file"
    if "$@"; then printf '%s\n' $((present + every)) >"$file"; fi
}

main
