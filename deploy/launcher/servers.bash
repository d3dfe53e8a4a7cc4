# shellcheck shell=bash
# The private PostgreSQL and Redis: reachable through Unix sockets in closed directories, and no port.
#
# PostgreSQL refuses to run as root, so as root both servers run as users of their own. PostgreSQL knows
# who connects from the kernel (peer), and lets in the user who runs ./mlango: there is no password to
# lose. Durability is as in production: fsync stays on.

# The longest path of a Unix socket on Linux is 107 octets.
readonly SOCKET_PATH_MAX=107
# A first start, or recovery after a power cut, on a slow disk.
readonly SERVER_START=120

# Sets the servers' users and directories for a state directory. Makes nothing.
choose_server_homes() { # HOME
    local home=$1
    PG_USER='' REDIS_USER=''
    if am_root; then
        PG_USER=$(first_user postgres nobody) REDIS_USER=$(first_user redis nobody)
        if [[ -d $home ]] && ! as_user "$PG_USER" test -x "$home"; then home=/var/lib/mlango/$(checkout_name)${1#"$STATE"}; fi
    fi
    SERVER_HOME=$home
    PG_HOME=$home/pg PG_DATA=$home/pg/data REDIS_HOME=$home/redis
    PG_SOCKETS=$(socket_directory "$PG_HOME/sock" .s.PGSQL.5432 pg "$1")
    REDIS_SOCKET=$(socket_directory "$REDIS_HOME" redis.sock redis "$1")/redis.sock
}

# The servers' home when it is not the state directory itself: others may pass through, not look.
make_server_home() {
    [[ $SERVER_HOME != "$STATE"* ]] || return 0
    if [[ ! -d $SERVER_HOME ]]; then say "The database is kept in $SERVER_HOME, since user $PG_USER cannot reach $STATE."; fi
    (umask 066 && mkdir -p "$SERVER_HOME") || fail "$SERVER_HOME cannot be made."
    require_space "$SERVER_HOME"
}

first_user() {
    local user
    for user in "$@"; do
        if id "$user" >/dev/null 2>&1; then
            printf '%s' "$user"
            return
        fi
    done
}

# The wished-for directory, or a short one when a socket's path would be too long there.
socket_directory() { # DIRECTORY FILE KIND HOME
    local wish=$1/$2 suffix
    suffix=${4#"$STATE"}
    if ((${#wish} <= SOCKET_PATH_MAX)); then
        printf '%s' "$1"
    else
        printf '/tmp/mlango-%s%s-%s' "$(checkout_name)" "${suffix//\//-}" "$3"
    fi
}

# Makes a directory that only its user can enter. In /tmp another user may have been there first.
closed_directory() { # USER DIRECTORY
    local owner=${1:-$(id -un)}
    mkdir -p -m 700 "$2" && chown "$owner" "$2" && chmod 700 "$2" ||
        fail "$2 cannot be made for user $owner; see who owns it and what is in its way."
    [[ ! -L $2 && $(stat -c %U "$2") == "$owner" ]] || fail "$2 does not belong to user $owner: remove it."
}

private_database_url() {
    printf 'postgres:///mlango?host=%s&user=mlango' "$(url_path "$PG_SOCKETS")"
}

private_redis_url() {
    printf 'redis+unix://%s' "$(url_path "$REDIS_SOCKET")"
}

start_postgres() { # MAX_CONNECTIONS SHARED_BUFFERS
    # Meant for other servers, these would mislead psql and sqlx.
    unset PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGPASSWORD PGPASSFILE PGOPTIONS PGSERVICE PGSSLMODE
    make_server_home
    closed_directory "$PG_USER" "$PG_HOME"
    closed_directory "$PG_USER" "$PG_SOCKETS"
    [[ -e $PG_DATA/PG_VERSION ]] || make_cluster
    write_access_rules
    # No statement of ours is long enough to be worth compiling. Small shared_buffers for a small machine; one checkpoint a minute's worth of lines tells nobody anything.
    start_child postgresql INT "$PG_USER" "$PG_BIN/postgres" -D "$PG_DATA" -p 5432 \
        -c listen_addresses= -c unix_socket_directories="$PG_SOCKETS" -c unix_socket_permissions=0700 \
        -c hba_file="$PG_HOME/hba.conf" -c ident_file="$PG_HOME/ident.conf" \
        -c fsync=on -c synchronous_commit=on -c full_page_writes=on -c wal_compression=on \
        -c shared_buffers="$2" -c max_connections="$1" -c log_checkpoints=off -c jit=off -c TimeZone=UTC
    await postgresql "$SERVER_START" "accept connections" pg_sql postgres 'SELECT 1'
}

# Makes the cluster beside its place and moves it there when it is whole: an initdb that was cut short
# leaves nothing that looks like a database.
make_cluster() {
    say "Making a database cluster in ${PG_DATA#"$ROOT"/} (PostgreSQL $(postgres_major "$PG_BIN"))."
    rm -rf "$PG_DATA.new"
    if ! as_user "$PG_USER" env LC_ALL=C.UTF-8 "$PG_BIN/initdb" -D "$PG_DATA.new" --username=postgres --auth=peer \
        --encoding=UTF8 --locale=C.UTF-8 >"$LOG/initdb.log" 2>&1; then
        ! tells_full_disk "$LOG/initdb.log" || fail "The database cluster could not be made because the disk is full: make room and try again."
        fail "The database cluster could not be made: $(last_line "$LOG/initdb.log") (more in $LOG/initdb.log)"
    fi
    mv "$PG_DATA.new" "$PG_DATA"
    # Tokens of an earlier cluster are not known to this one.
    rm -f "$STATE"/secrets/api.token.*
}

# Whoever runs ./mlango may be the superuser or the owner of Mlango's database; nobody else gets in.
write_access_rules() {
    local us
    us=$(id -un)
    printf 'local all all peer map=mlango\n' >"$PG_HOME/hba.conf"
    printf 'mlango "%s" postgres\nmlango "%s" mlango\n' "$us" "$us" >"$PG_HOME/ident.conf"
    [[ -z $PG_USER ]] || chown "$PG_USER" "$PG_HOME/hba.conf" "$PG_HOME/ident.conf"
    chmod 600 "$PG_HOME/hba.conf" "$PG_HOME/ident.conf"
}

# One statement as superuser; bare values come back.
pg_sql() { # DATABASE STATEMENT
    "$PG_BIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$PG_SOCKETS" -p 5432 -U postgres -d "$1" -c "$2"
}

# The owner of Mlango's database is no superuser: a program's mistake stays in its own database.
make_database() {
    [[ -n $(pg_sql postgres "SELECT 1 FROM pg_roles WHERE rolname = 'mlango'") ]] || pg_sql postgres 'CREATE ROLE mlango LOGIN'
    [[ -n $(pg_sql postgres "SELECT 1 FROM pg_database WHERE datname = 'mlango'") ]] || pg_sql postgres 'CREATE DATABASE mlango OWNER mlango'
}

# Nothing is written to disk: Redis holds sign-ins and counters that can be made again, never the truth
# (that is PostgreSQL's), so losing it costs a sign-in.
start_redis() {
    make_server_home
    closed_directory "$REDIS_USER" "$REDIS_HOME"
    closed_directory "$REDIS_USER" "$(dirname "$REDIS_SOCKET")"
    start_child redis TERM "$REDIS_USER" "$REDIS_SERVER" --port 0 --unixsocket "$REDIS_SOCKET" --unixsocketperm 700 \
        --save '' --appendonly no --dir "$REDIS_HOME" --daemonize no --loglevel warning \
        --maxmemory 256mb --maxmemory-policy noeviction
    await redis 20 "open its socket" test -S "$REDIS_SOCKET"
}
