# shellcheck shell=bash
# What backup.bash and drill.bash share: how they speak, their settings, and how pgBackRest and the portal are called.
#
# Settings come from the environment (systemd: /etc/mlango/backup.env), each with a default:
#   MLANGO_BACKUP_CONFIG    pgBackRest's configuration (/etc/pgbackrest/pgbackrest.conf); conf.d beside it is read too
#   MLANGO_BACKUP_STANZA    the section of it that is our cluster (mlango)
#   MLANGO_BACKUP_DATABASE  the database that the drill examines (mlango)
#   MLANGO_BACKUP_ROLE      the role that owns Mlango's tables there (mlango)
#   MLANGO_BACKUP_PORTAL    the portal's program (portal); its own settings are MLANGO_CONFIG and so on
#   MLANGO_PG_BIN           PostgreSQL's programs (those of the cluster's version under /usr/lib/postgresql)
#
# Secrets are never arguments: pgBackRest reads the pass phrase from conf.d, and the portal its own files.

readonly CONFIG=${MLANGO_BACKUP_CONFIG:-/etc/pgbackrest/pgbackrest.conf}
readonly INCLUDE=${CONFIG%/*}/conf.d
readonly CIPHER=$INCLUDE/cipher.conf
readonly STANZA=${MLANGO_BACKUP_STANZA:-mlango}
readonly DATABASE=${MLANGO_BACKUP_DATABASE:-mlango}
readonly ROLE=${MLANGO_BACKUP_ROLE:-mlango}
readonly PORTAL=${MLANGO_BACKUP_PORTAL:-portal}

# Also for the pgBackRest that PostgreSQL starts while it recovers.
export PGBACKREST_CONFIG=$CONFIG PGBACKREST_CONFIG_INCLUDE_PATH=$INCLUDE PGBACKREST_STANZA=$STANZA
# Messages are looked at for what they mean, and what a wrong pass phrase makes of a file is no text.
export LC_ALL=C

say() {
    printf '%s: %s\n' "${0##*/}" "$*"
}

# A file that is told what went wrong, for the report: `fail` in a command substitution can set no variable here.
TOLD=''

fail() {
    [[ -z $TOLD ]] || printf '%s\n' "$*" >"$TOLD"
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

now() {
    date -u +%Y-%m-%dT%H:%M:%S.%3NZ
}

need_settings() {
    ((EUID != 0)) || fail "Run this as the user that PostgreSQL runs as, for example: runuser -u postgres -- $0 $*"
    command -v pgbackrest >/dev/null || fail "pgbackrest is not installed: apt-get install pgbackrest"
    [[ -r $CONFIG ]] || fail "$CONFIG cannot be read by $(id -un): copy pgbackrest.conf there and correct its marked lines."
    [[ ! -e $CIPHER ]] || closed "$CIPHER"
}

# The pass phrase opens every backup, and with it all that stands in the database.
closed() { # FILE
    local mode
    mode=$(stat -c %a "$1")
    [[ $mode == 600 || $mode == 400 ]] || fail "$1 holds the pass phrase and can be read by others (mode $mode): chmod 600 $1"
    [[ -r $1 ]] || fail "$1 cannot be read by $(id -un): chown $(id -un) $1"
}

# One value of the stanza's section, or of [global].
configured() { # KEY
    cat "$CONFIG" "$INCLUDE"/*.conf 2>/dev/null | sed -n "s|^$1=||p" | tail -n 1
}

# The numbers of the repositories that are configured, the first one first.
repositories() {
    cat "$CONFIG" "$INCLUDE"/*.conf 2>/dev/null | sed -n 's/^repo\([0-9]*\)-.*/\1/p' | sort -nu
}

# Runs pgBackRest. What it complains of is said in one sentence, with what to do where we know it.
pgbackrest_or_fail() { # WHAT ARGUMENT...
    local what=$1 said
    shift
    if ! said=$(pgbackrest "$@" 2>&1); then
        fail "$what: $(meaning "$said")"
    fi
    [[ -z $said ]] || printf '%s\n' "$said"
}

meaning() { # WHAT PGBACKREST SAID
    local said
    said=$(grep -am1 'ERROR' <<<"$1" | sed 's/^.*ERROR: *//') || said=$(tail -n 1 <<<"$1")
    said=$(tr -cd '[:print:]' <<<"${said%:}" | cut -c1-400)
    case $1 in
        # What is decrypted with another key is seldom noticed as such, and then is no configuration.
        *CryptoError* | *FormatError* | *'cipher header invalid'* | *'unable to flush'*)
            printf 'the repository cannot be read with the pass phrase in %s: it was made with another one. Put back the one that is kept apart from the backups. (%s)' "$CIPHER" "$said"
            ;;
        *'No space left on device'*) printf 'the disk is full (%s)' "$said" ;;
        *) printf '%s' "$said" ;;
    esac
}

# The newest backup that pgBackRest knows of in a repository, as "LABEL OCTETS-IN-THE-REPOSITORY OCTETS-OF-THE-CLUSTER"; nothing
# if there is none.
newest_backup() { # REPOSITORY
    local info status label delta size
    info=$(pgbackrest --output=json --repo="$1" info 2>&1) || fail "The backups cannot be listed: $(meaning "$info")"
    # Of the repository, not of the stanza: 0 is good, 2 says that there is no backup yet.
    status=$(sed -n "s/.*\"key\":$1,\"status\":{\"code\":\([0-9]*\),.*/\1/p" <<<"$info")
    if [[ $status != 0 && $status != 2 ]]; then
        info="ERROR: $(sed -n "s/.*\"key\":$1,\"status\":{\"code\":[0-9]*,\"message\":\"\([^\"\\]*\).*/\1/p" <<<"$info")
$info"
        fail "Repository $1 cannot be used: $(meaning "$info")"
    fi
    label=$(grep -o '"label":"[0-9]\{8\}-[0-9]\{6\}F[^"]*"' <<<"$info" | tail -n 1 | cut -d'"' -f4)
    [[ -n $label ]] || return 0
    delta=$(grep -o '"repository":{"delta":[0-9]*' <<<"$info" | tail -n 1)
    size=$(grep -o '"size":[0-9]*},"label":"'"$label"'"' <<<"$info" | grep -o '^"size":[0-9]*')
    printf '%s %s %s' "$label" "${delta##*:}" "${size##*:}"
}

# full, diff or incr, from a label of pgBackRest.
kind_of() { # LABEL
    case $1 in
        *_*D) printf diff ;;
        *_*I) printf incr ;;
        *) printf full ;;
    esac
}

# Writes a line about this run into the live database. Where that is away, the run still counts, and it is said.
report() { # ARGUMENT...
    command -v "$PORTAL" >/dev/null || {
        say "There is no program $PORTAL, so neither the desk nor the metrics learn of this run."
        return 1
    }
    "$PORTAL" backup report "$@" >/dev/null || {
        say "The run could not be written into the database: neither the desk nor the metrics know of it."
        return 1
    }
}

# PostgreSQL's programs of a version.
postgres_bin() { # MAJOR
    local bin=${MLANGO_PG_BIN:-/usr/lib/postgresql/$1/bin}
    [[ -x $bin/postgres ]] || fail "PostgreSQL $1 is not installed here ($bin): install it, or say in MLANGO_PG_BIN where it is."
    [[ $("$bin/postgres" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/') == "$1" ]] ||
        fail "The backup is of PostgreSQL $1, and $bin is another version."
    printf '%s' "$bin"
}
