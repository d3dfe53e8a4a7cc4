#!/usr/bin/env bash
# The restore drill: restores the newest backup and all WAL after it into a scratch cluster, lets the portal examine what came
# out, and throws it away. A backup that was never restored is a hope.
#
#   pgbackrest restore ──► PostgreSQL recovers to the end of the archive ──► portal backup check ──► portal backup report
#
# How long that takes is the time a real restore takes; how old the newest thing in it is, when the drill begins, is
# what a loss of the machine at that moment would have cost. Both are reported, and so is a drill that failed, with the reason.
# Nothing of the live cluster is touched: another directory, another socket, no archiving, no address on the network.
#
# Settings of its own, beside those of common.bash:
#   MLANGO_DRILL_HOME   where the scratch cluster is made (/var/lib/mlango-drill); needs as much room as the database
#   MLANGO_DRILL_WAIT   longest time that recovery may take, seconds (3600)
set -Eeuo pipefail
HERE=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd -P)
# shellcheck source=common.bash
. "$HERE/common.bash"

readonly HOME_OF_DRILLS=${MLANGO_DRILL_HOME:-/var/lib/mlango-drill}
readonly WAIT=${MLANGO_DRILL_WAIT:-3600}
readonly SCRATCH=$HOME_OF_DRILLS/scratch
# Beyond the size of the database: WAL that is replayed and has not been recycled, octets.
readonly ROOM_BESIDE=1073741824

SERVER=''
BEGAN=''
# Whether nothing is to be reported any more.
REPORTED=''
# What the portal found, as JSON.
FOUND=''

usage() {
    cat <<'TEXT'
Usage: drill.bash [--repo N] [--until TIME] [--keep]

  --repo N       from this repository (otherwise the first that has what is needed)
  --until TIME   up to this moment instead of the end, such as "2026-12-01 14:05:00+03"; says nothing of what would be lost,
                 and so is not reported
  --keep         leave the scratch cluster running, to look something up in it; it says how
TEXT
}

main() {
    local repository='' until='' keep=''
    while (($# > 0)); do
        case $1 in
            --repo) repository=${2:?} && shift 2 ;;
            --until) until=${2:?} REPORTED=yes && shift 2 ;;
            --keep) keep=yes && shift ;;
            help | -h | --help) usage && exit 0 ;;
            *)
                usage >&2
                exit 2
                ;;
        esac
    done
    need_settings
    mkdir -p -m 700 "$HOME_OF_DRILLS" 2>/dev/null && [[ -w $HOME_OF_DRILLS ]] ||
        fail "$HOME_OF_DRILLS cannot be written by $(id -un): install -d -o $(id -un) -m 700 $HOME_OF_DRILLS"
    exec 9>"$HOME_OF_DRILLS/lock"
    flock -n 9 || fail "Another drill is going on in $HOME_OF_DRILLS."
    trap 'finish $?' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    BEGAN=$(now)
    clear_scratch
    TOLD=$SCRATCH/told
    look_for_room "${repository:-$(repositories | head -n 1)}"
    restore "$repository" "$until"
    start_server
    examine
    conclude
    if [[ -n $keep ]]; then
        say "The scratch cluster runs: psql -h $SCRATCH/socket -U $ROLE $DATABASE. When you are done: kill $SERVER; rm -rf $SCRATCH"
        SERVER=''
        trap - EXIT
    fi
}

# Every end passes here: the server is stopped, the scratch is removed, and a failure is written down.
finish() {
    local status=$1 told
    trap - EXIT
    trap '' INT TERM HUP
    set +e
    stop_server
    told=$(head -n 1 "$SCRATCH/told" 2>/dev/null)
    rm -rf "$SCRATCH"
    if ((status != 0)) && [[ -z $REPORTED && -n $BEGAN ]]; then
        report drill --started "$BEGAN" --ended "$(now)" --failed --detail "${told:-it was interrupted}"
    fi
    exit "$status"
}

# A drill that was killed left its server, perhaps, and its files.
clear_scratch() {
    local left
    if left=$(head -n 1 "$SCRATCH/data/postmaster.pid" 2>/dev/null) && grep -qsF "$SCRATCH/data" "/proc/$left/cmdline"; then
        kill -QUIT "$left"
        while kill -0 "$left" 2>/dev/null; do sleep 0.2; done
    fi
    rm -rf "$SCRATCH"
    mkdir -m 700 "$SCRATCH" "$SCRATCH/data" "$SCRATCH/socket" "$SCRATCH/tablespaces"
}

look_for_room() { # REPOSITORY
    local newest size free
    newest=$(newest_backup "$1")
    [[ -n $newest ]] || fail "There is no backup in repository $1: make one with backup.bash full"
    size=${newest##* }
    free=$(df -P --block-size=1 "$SCRATCH" | awk 'NR == 2 { print $4 }')
    ((free > size + ROOM_BESIDE)) ||
        fail "$HOME_OF_DRILLS has $free octets free, and the drill needs $((size + ROOM_BESIDE)): name a larger disk in MLANGO_DRILL_HOME."
    say "Restoring ${newest%% *} and all WAL after it into $SCRATCH/data."
}

restore() { # REPOSITORY UNTIL
    local arguments=(--pg1-path="$SCRATCH/data" --archive-mode=off --tablespace-map-all="$SCRATCH/tablespaces")
    [[ -z $1 ]] || arguments+=(--repo="$1")
    [[ -z $2 ]] || arguments+=(--type=time --target="$2" --target-action=promote)
    pgbackrest_or_fail "The backup could not be restored" "${arguments[@]}" restore
}

# Whoever can enter its folder, which is closed, may be anybody in it. The server has nothing of the live one's configuration but what recovery needs. Its command line wins over what ALTER SYSTEM
# once wrote into the data directory.
start_server() {
    local bin deadline=$((SECONDS + WAIT))
    bin=$(postgres_bin "$(<"$SCRATCH/data/PG_VERSION")")
    : >"$SCRATCH/postgresql.conf"
    printf 'local all all trust\n' >"$SCRATCH/hba.conf"
    : >"$SCRATCH/ident.conf"
    "$bin/postgres" -D "$SCRATCH/data" -c config_file="$SCRATCH/postgresql.conf" \
        -c hba_file="$SCRATCH/hba.conf" -c ident_file="$SCRATCH/ident.conf" \
        -c listen_addresses= -c port=5432 -c unix_socket_directories="$SCRATCH/socket" -c unix_socket_permissions=0700 \
        -c archive_mode=off -c hot_standby=off -c ssl=off -c logging_collector=off -c log_destination=stderr \
        -c shared_preload_libraries= -c jit=off -c shared_buffers=128MB -c huge_pages=off -c max_connections=20 \
        >"$SCRATCH/log" 2>&1 9>&- &
    SERVER=$!
    local said ask=("$bin/psql" -X -q -A -t -h "$SCRATCH/socket" -U "$ROLE" -d "$DATABASE" -c 'SELECT 1')
    until said=$("${ask[@]}" 2>&1); do
        kill -0 "$SERVER" 2>/dev/null || fail "The restored cluster does not start: $(reason_in_log)"
        [[ $said != *'does not exist' ]] || fail "The restored cluster has not what MLANGO_BACKUP_DATABASE and MLANGO_BACKUP_ROLE name: ${said##*FATAL:  }"
        ((SECONDS < deadline)) || fail "The restored cluster did not recover within $WAIT seconds: $(reason_in_log)"
        sleep 0.2
    done
}

# What PostgreSQL and the pgBackRest that it calls say last of what went wrong.
reason_in_log() {
    local line
    line=$(grep -E 'FATAL|PANIC|ERROR' "$SCRATCH/log" | tail -n 1 | sed 's/^.*\(FATAL\|PANIC\|ERROR\): *//') || line=$(tail -n 1 "$SCRATCH/log")
    meaning "$line"
}

# The portal knows what must hold. A folder that only we can enter needs no password.
examine() {
    local url="postgres:///$DATABASE?host=$SCRATCH/socket&user=$ROLE"
    FOUND=$("$PORTAL" backup check --database "$url" --json 2>"$SCRATCH/problems") ||
        fail "$(sed 's/^portal: //' "$SCRATCH/problems" | tr '\n' ' ')"
}

conclude() {
    local ended point detail
    ended=$(now)
    point=$(value_of recovery_point)
    detail=$(value_of summary)
    say "The drill passed. Restored, recovered and examined in $(($(date -u -d "$ended" +%s) - $(date -u -d "$BEGAN" +%s))) s; the newest thing in it is of ${point:-an unknown time}."
    say "$detail"
    [[ -z $REPORTED ]] || return 0
    REPORTED=yes
    report drill --started "$BEGAN" --ended "$ended" ${point:+--recovery-point "$point"} --detail "$detail"
}

value_of() { # KEY
    sed -n "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1/p" <<<"$FOUND"
}

stop_server() {
    [[ -n $SERVER ]] || return 0
    # It is thrown away: nothing needs to be written.
    kill -QUIT "$SERVER" 2>/dev/null
    wait "$SERVER" 2>/dev/null
    SERVER=''
}

main "$@"
