#!/usr/bin/env bash
# Backups of Mlango's database by pgBackRest: made, checked, and written down where the desk and the metrics see it.
#
# pgBackRest does the work; this script knows the order of things, keeps the pass phrase in a closed file, sees to every
# repository that is configured, and reports how it went. README.md has the settings, docs/operations/backups.md the whole story.
set -Eeuo pipefail
HERE=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd -P)
# shellcheck source=common.bash
. "$HERE/common.bash"

# A full backup is made when the last one is older than this, days.
readonly FULL_EVERY=7

usage() {
    cat <<'TEXT'
Usage: backup.bash COMMAND

  settings   print the lines for postgresql.conf that send WAL to the repository
  init       make the pass phrase if there is none, prepare the repositories, and try both ways through
  daily      a full backup if the last one is a week old, else what has changed since (what the timer runs)
  full       everything
  diff       what has changed since the last full backup
  incr       what has changed since the last backup
  verify     read everything back that is in the repositories, and compare it with its checksums
  info       what there is
TEXT
}

main() {
    local command=${1:-help}
    case $command in
        settings) print_settings ;;
        init) need_settings "$@" && init ;;
        full | diff | incr | daily) need_settings "$@" && back_up "$command" ;;
        verify) need_settings "$@" && verify ;;
        info) need_settings "$@" && pgbackrest_or_fail "The backups cannot be listed" info ;;
        help | -h | --help) usage ;;
        *)
            usage >&2
            fail "There is no command $command."
            ;;
    esac
}

print_settings() {
    cat <<TEXT
# Every segment of WAL goes to the repository, at the latest a minute after it began: with that, at most some two minutes are
# lost when the machine is. archive_mode needs a restart, the other lines a reload.
archive_mode = on
archive_command = 'pgbackrest --config=$CONFIG --config-include-path=$INCLUDE --stanza=$STANZA archive-push %p'
archive_timeout = 60
wal_level = replica
max_wal_senders = 3
TEXT
}

init() {
    make_pass_phrase
    pgbackrest_or_fail "The repository could not be prepared" stanza-create
    pgbackrest_or_fail "WAL does not reach the repository. Are the lines of '${0##*/} settings' in postgresql.conf, and was PostgreSQL restarted?" check
    say "The repository is ready, and WAL reaches it. Make the first backup now: ${0##*/} full"
    say "Keep a copy of $CIPHER apart from the backups, with the seal key: without it no backup can be read."
}

# One for all repositories of this machine. It is never shown, and never made anew where there is one.
make_pass_phrase() {
    local phrase number
    if [[ -e $CIPHER ]]; then
        closed "$CIPHER"
        return
    fi
    for number in $(repositories); do
        [[ $(configured "repo$number-cipher-type") == aes-256-cbc ]] ||
            fail "repo$number is not encrypted: add repo$number-cipher-type=aes-256-cbc to $CONFIG."
    done
    [[ -z $(configured repo1-cipher-pass) ]] || return 0
    phrase=$(head -c 48 /dev/urandom | base64 -w 0)
    (
        umask 077
        mkdir -p "$INCLUDE"
        {
            printf '# The pass phrase of the backups. Without it none can be read: keep a copy apart from them.\n[global]\n'
            for number in $(repositories); do printf 'repo%s-cipher-pass=%s\n' "$number" "$phrase"; done
        } >"$CIPHER.new"
    ) || fail "$CIPHER could not be written by $(id -un): install -d -o $(id -un) -m 700 $INCLUDE"
    mv "$CIPHER.new" "$CIPHER"
    say "A pass phrase was made: $CIPHER"
}

# Each repository by itself: one that is away must not keep the other from its backup.
back_up() { # KIND
    local number problems=()
    for number in $(repositories); do
        if ! one_backup "$1" "$number"; then problems+=("repository $number"); fi
    done
    ((${#problems[@]} == 0)) || exit 1
}

one_backup() { # KIND REPOSITORY
    local kind=$1 number=$2 began said label octets _
    began=$(now)
    if [[ $kind == daily ]] && ! kind=$(kind_for_today "$number" 2>&1); then
        did_not "$number" full "$began" "${kind#*: }"
        return 1
    fi
    if ! said=$(pgbackrest --repo="$number" --type="$kind" backup 2>&1); then
        did_not "$number" "$kind" "$began" "$(meaning "$said")"
        return 1
    fi
    [[ -z $said ]] || printf '%s\n' "$said"
    if ! said=$(newest_backup "$number" 2>&1); then
        did_not "$number" "$kind" "$began" "${said#*: }"
        return 1
    fi
    read -r label octets _ <<<"$said"
    # Without a full backup before it, pgBackRest makes one whatever was asked for.
    kind=$(kind_of "$label")
    say "Backup $label is in repository $number: $octets octets."
    report "$kind" --started "$began" --ended "$(now)" --size "$octets" --detail "$label in repository $number"
}

did_not() { # REPOSITORY KIND BEGAN WHY
    printf '%s: There is no new backup in repository %s: %s\n' "${0##*/}" "$1" "$4" >&2
    report "$2" --started "$3" --ended "$(now)" --failed --detail "repository $1: $4" || true
}

kind_for_today() { # REPOSITORY
    local label newest_full
    label=$(newest_backup "$1") || return
    newest_full=${label:0:8}
    if [[ -z $newest_full ]] || (($(date -u +%s) - $(date -u -d "$newest_full" +%s) >= FULL_EVERY * 86400)); then
        printf full
    else
        printf diff
    fi
}

# pgBackRest ends well also when it has found damage: what it prints counts.
verify() {
    local number found
    pgbackrest_or_fail "WAL does not reach the repository" check
    for number in $(repositories); do
        found=$(pgbackrest --repo="$number" --output=text verify 2>&1) || fail "Repository $number could not be read: $(meaning "$found")"
        [[ $found != *'status: error'* ]] ||
            fail "Repository $number is damaged; make a full backup, and look at its disk: $(tr -s ' \n' ' ' <<<"$found")"
    done
    say "WAL reaches the repositories, and all that is in them is whole."
}

main "$@"
