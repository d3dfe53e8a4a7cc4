# shellcheck shell=bash
# Words and small tools: how the launcher speaks, how it ends, and what every other room needs.
#
# Every way out passes through `finish`, which stops the children. `fail` says one sentence and ends;
# a command that fails without a sentence is reported with its place in these files, since that is a
# fault of the launcher and not of the machine. `fail` must not be called in a command substitution,
# where it would end only the substitution.

# Below this much free space a build or a database would stop halfway.
readonly FREE_SPACE_MIN_MIB=1024

SPOKEN=''
PLACE=''

say() {
    printf 'mlango: %s\n' "$*"
}

fail() {
    SPOKEN=yes
    printf 'mlango: %s\n' "$*" >&2
    exit 1
}

# Arranges that every end, also by a signal, stops the children and tidies up.
prepare_exit() {
    trap 'PLACE="${BASH_SOURCE[0]#"$ROOT"/}:$LINENO: $BASH_COMMAND"' ERR
    trap 'finish $?' EXIT
    trap 'SPOKEN=yes; exit 130' INT
    trap 'SPOKEN=yes; exit 143' TERM
    trap 'SPOKEN=yes; exit 129' HUP
    trap 'SPOKEN=yes; exit 141' PIPE
}

finish() {
    local status=$1
    trap - EXIT ERR
    trap '' INT TERM HUP PIPE
    set +e
    # 141: whoever read our output has gone.
    if ((status != 0 && status != 141)) && [[ -z $SPOKEN && -n $PLACE ]]; then
        printf 'mlango: The launcher stopped unexpectedly at %s\n' "$PLACE" >&2
    fi
    end_tied "$status"
    end_ticker
    stop_children
    ((${#REMOVE_AT_END[@]} == 0)) || rm -rf "${REMOVE_AT_END[@]}"
    release_services
    exit "$status"
}

am_root() {
    ((EUID == 0))
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# A number from the checkout's path, the same every time: two checkouts get different ports and addresses.
checkout_number() {
    printf '%d' "0x$(checkout_name)"
}

checkout_name() {
    printf '%s' "$ROOT" | sha256sum | cut -c1-8
}

# Free space under a directory, in MiB.
free_mib() {
    df -Pk "$1" | awk 'NR == 2 { printf "%d", $4 / 1024 }'
}

require_space() {
    local free
    free=$(free_mib "$1")
    ((free >= FREE_SPACE_MIN_MIB)) ||
        fail "The disk is nearly full: $free MiB are free under $1, at least $FREE_SPACE_MIN_MIB MiB are needed; make room and try again."
}

# Whether one of these logs says that the disk is full, in the words of the system or of PostgreSQL.
tells_full_disk() {
    grep -qsE 'No space left on device|Check free disk space' "$@"
}

# The last line of a file that is not empty: programs say there why they ended.
last_line() {
    awk 'NF { line = $0 } END { print line }' "$1"
}

# The string value of one key of a small JSON object, from standard input.
json_field() {
    tr -d '\n' | sed -n "s/.*\"$1\"[[:space:]]*:[[:space:]]*\"\\([^\"]*\\)\".*/\\1/p"
}

# A path as it stands in a URL.
url_path() {
    local text=$1 out='' char i
    local LC_ALL=C
    for ((i = 0; i < ${#text}; i++)); do
        char=${text:i:1}
        case $char in
            [A-Za-z0-9/._~-]) out+=$char ;;
            *) printf -v char '%%%02X' "'$char" && out+=${char: -3} ;;
        esac
    done
    printf '%s' "$out"
}

# Whether a URL answers with success. Proxies are for the world outside.
answers() {
    curl --silent --fail --noproxy '*' --max-time 3 --output /dev/null "$1"
}

# Runs a command as another user, from a directory that every user may stand in; without a user, as we
# are. It ends when we do.
as_user() {
    local as=()
    [[ -z $1 ]] || as=(--reuid "$1" --regid "$(id -g "$1")" --init-groups)
    shift
    (
        release_lock
        cd /
        exec setpriv "${as[@]}" --pdeathsig KILL -- "$@"
    )
}

# Makes the state directory, or one below it, and sets RUN and LOG. Other users may pass through it when
# we are root, since the servers run as users of their own; all that is secret in it has mode 0600.
open_state() {
    local home=$1 mode=700
    ! am_root || mode=711
    mkdir -p "$STATE" "$home" "$home/run" "$home/log" 2>/dev/null ||
        fail "$home cannot be written by $(id -un): it belongs to $(stat -c %U "$STATE" 2>/dev/null || echo another user); run as that user, or remove it."
    [[ -O $STATE && -w $home/run ]] ||
        fail "$STATE belongs to $(stat -c %U "$STATE"): run ./mlango as that user, or remove it."
    chmod "$mode" "$STATE" "$home"
    chmod 700 "$home/run" "$home/log"
    RUN=$home/run LOG=$home/log
}
