# shellcheck shell=bash
# `bench accounting`: records a second and what one costs, ours beside FreeRADIUS with PostgreSQL and with its
# buffered detail file, and a responder that stores nothing. `bench history`: what a year of sessions costs; `bench desk`: what
# the desk's pages do.
#
# A row of ours is a function of the settings that radiusd gets: see bench_accounting. Each run opens its own
# sessions; at the end of the runs of ours, and of FreeRADIUS', all sessions are ended and the database is compared
# with what was acknowledged. The history is equally long on both sides. Every run begins just after a
# checkpoint, when PostgreSQL writes most to its log, for all of them.

# Sessions open at the same time; under overload more, since more of them wait for an answer.
readonly RECORD_SESSIONS=10000 RECORD_SESSIONS_QUICK=2000 RECORD_SESSIONS_OVERLOAD=25000
# Logins made before a run, so that each session has the Class of one: a session of ten records takes one.
readonly RECORD_TICKETS=120000 RECORD_TICKETS_QUICK=20000
readonly OVERLOAD_SECONDS_QUICK=5
# How long the histories are.
readonly HISTORY_ROWS=(3000000 30000000) HISTORY_ROWS_QUICK=300000
# Ended sessions behind its reports, at most.
readonly REPORT_ROWS_MAX=3000000
# Customers behind the desk's pages.
readonly DESK_CUSTOMERS=1000000 DESK_CUSTOMERS_QUICK=100000

# The customer with whom the next run begins: no two runs open sessions of the same one at the same time, since
# FreeRADIUS lets nobody in who seems to be there.
RECORD_FIRST=1

bench_accounting() {
    records_responder before
    prepare_records
    records_radiusd radiusd "radiusd"
    ! has_journal || records_radiusd radiusd-database "radiusd, database first" MLANGO__ACCOUNTING__COMMIT=database
    records_without_class radiusd-no-class "radiusd, no Class"
    if have_peer; then
        make_peer_database
        records_peer sql --stored "$(bench_url radius postgres)" --keeper freeradius
        # What it acknowledges is in a file: the comparison says how much of it is not in the database yet.
        records_peer detail --stored "$(bench_url radius postgres)" --keeper freeradius --settle 0
    else
        say "There is no freeradius here, and only root can install it: its lines are left out."
    fi
    records_responder after
    records_overload
}

# Our database, with as long a history as FreeRADIUS' has.
prepare_records() {
    local history=$PEER_HISTORY
    [[ -z $BENCH_QUICK ]] || history=$PEER_HISTORY_QUICK
    say "Filling our tables: $BENCH_CUSTOMERS customers, $history ended sessions."
    prepare_directory mlango "$BENCH_CUSTOMERS" --history "$history"
}

# Whether our radiusd has a journal from which it acknowledges.
has_journal() {
    grep -q '^\[accounting\]' "$CONFIG"
}

# A row of ours: a name for its files, what it is called, and the settings that make it another.
records_radiusd() { # NAME LABEL [SETTING...]
    local name=$1 label=$2
    say "$label${3:+ ($*)}."
    start_radiusd "${@:3}"
    log_all_in "$BENCH_CUSTOMERS"
    record_runs "$name" "$label" radiusd "$AUTH_PORT" "$ACCT_PORT" "$(record_tickets)" --stored "$DATABASE_URL"
    stop_child radiusd
}

# The same for a router that does not return our Class: each record's session must be looked for.
records_without_class() { # NAME LABEL [SETTING...]
    say "$2."
    start_radiusd "${@:3}"
    log_all_in "$BENCH_CUSTOMERS"
    record_run "$1-64" "$2" radiusd "$AUTH_PORT" "$ACCT_PORT" --outstanding 64 --stored "$DATABASE_URL"
    stop_child radiusd
}

records_peer() { # SHAPE OPTION...
    say "FreeRADIUS, accounting by $1."
    rm -rf "$BENCH_HOME/detail"
    start_peer "$1" 65536 1048576
    record_runs "freeradius-$1" "freeradius-$1" freeradius "$PEER_PORT" "$PEER_ACCT_PORT" 0 --accept-unsigned "${@:2}"
    stop_child freeradius
}

records_responder() { # WHEN
    say "The responder without logic, $1."
    start_responder
    record_runs "responder-$1" responder responder "$PEER_PORT" "$PEER_PORT" "$(record_tickets)"
    stop_child responder
}

# The runs of a server: both closed loops, half of what the first one reached, and the mix with logins.
record_runs() { # NAME LABEL CHILD AUTH-PORT ACCT-PORT TICKETS OPTION...
    local name=$1 to=("${@:2:4}") tickets=$6
    shift 6
    record_run "$name-64" "${to[@]}" --tickets "$tickets" --outstanding 64 "$@"
    record_run "$name-256" "${to[@]}" --tickets "$tickets" --outstanding 256 "$@"
    record_run "$name-half" "${to[@]}" --tickets "$tickets" --rate-from "$BENCH_HOME/reports/$name-64.json" --share 0.5 "$@"
    record_run "$name-logins" "${to[@]}" --with-logins --outstanding 64 "$@"
}

# One run, whose report joins the table.
record_run() { # REPORT LABEL CHILD AUTH-PORT ACCT-PORT OPTION...
    local report=$BENCH_HOME/reports/$1.json usual=()
    [[ " $* " == *" --sessions "* ]] || usual+=(--sessions "$(record_sessions)")
    [[ " $* " == *" --seconds "* ]] || usual+=(--seconds "$BENCH_SECONDS" --rounds 3)
    pg_sql postgres CHECKPOINT
    load accounting --json "$report" --label "$2" --auth-server "127.0.0.1:$4" --server "127.0.0.1:$5" \
        --secret-file "$SECRETS/radius.secret" --users "$BENCH_CUSTOMERS" --first "$RECORD_FIRST" \
        --wal "$(bench_url postgres postgres)" --watch "server=${CHILD_PID[$3]}" \
        --watch "postgresql=${CHILD_PID[postgresql]}+" "${usual[@]}" "${@:6}" ||
        say "This run is not to be trusted: the reason stands above."
    RECORD_FIRST=$(((RECORD_FIRST + 2 * $(record_sessions)) % BENCH_CUSTOMERS + 1))
    [[ ! -s $report ]] || BENCH_REPORTS+=("$report")
}

record_sessions() {
    if [[ -n $BENCH_QUICK ]]; then printf '%d' "$RECORD_SESSIONS_QUICK"; else printf '%d' "$RECORD_SESSIONS"; fi
}

# More records than a server can take, for a while, with the retries of a router, and what becomes of it.
records_overload() {
    say "radiusd under more records than it can take."
    start_radiusd
    log_all_in "$BENCH_CUSTOMERS"
    hold_back radiusd
    overload_records radiusd-held-back radiusd "$AUTH_PORT" "$ACCT_PORT" --sessions "$RECORD_SESSIONS_OVERLOAD" \
        --tickets "$((RECORD_SESSIONS_OVERLOAD * 2))" --stored "$DATABASE_URL"
    stop_child radiusd
    rmdir "$CPU_GROUP" 2>/dev/null || true
    if ! have_peer; then return 0; fi
    say "FreeRADIUS with PostgreSQL under more records than it can take, with its stock queue."
    start_peer sql 65536
    overload_records freeradius-sql-stock freeradius "$PEER_PORT" "$PEER_ACCT_PORT" --accept-unsigned
    stop_child freeradius
    say "FreeRADIUS with PostgreSQL under more records than it can take, with a queue of 128."
    start_peer sql 128
    overload_records freeradius-sql-128 freeradius "$PEER_PORT" "$PEER_ACCT_PORT" --accept-unsigned
    stop_child freeradius
}

overload_records() { # NAME CHILD AUTH-PORT ACCT-PORT OPTION...
    local name=$1 to=("${@:1:4}") seconds=$OVERLOAD_SECONDS
    [[ -z $BENCH_QUICK ]] || seconds=$OVERLOAD_SECONDS_QUICK
    shift 4
    record_run "$name-closed" "${to[@]}" "$@" --outstanding 64
    record_run "$name-overload" "${to[@]}" "$@" --rate-from "$BENCH_HOME/reports/$name-closed.json" --share "$OVERLOAD" \
        --warm 0 --rounds 1 --seconds "$seconds" --then-rate "$AFTERWARDS"
}

record_tickets() {
    if [[ -n $BENCH_QUICK ]]; then printf '%d' "$RECORD_TICKETS_QUICK"; else printf '%d' "$RECORD_TICKETS"; fi
}

# How a program of the bench reaches a database of its PostgreSQL.
bench_url() { # DATABASE USER
    printf 'postgres:///%s?host=%s&user=%s' "$1" "$(url_path "$PG_SOCKETS")" "$2"
}

# What a long history costs: how soon the pages are there that read it, and how fast records are written beside it.
bench_history() {
    local rows sizes=("${HISTORY_ROWS[@]}")
    [[ -z $BENCH_QUICK ]] || sizes=("$HISTORY_ROWS_QUICK")
    [[ -z $BENCH_ROWS ]] || sizes=("$BENCH_ROWS")
    BENCH_BASE="radiusd, no history"
    start_redis
    say "No history."
    prepare_directory history_0 "$BENCH_CUSTOMERS"
    history_runs history_0 "no history"
    for rows in "${sizes[@]}"; do
        say "A history of $rows ended sessions."
        require_history_space "$rows"
        prepare_directory "history_$rows" "$BENCH_CUSTOMERS" --history "$rows"
        BENCH_FACTS+=("seeded=$(last_line "$LOG/portal-command.log")")
        BENCH_FACTS+=("size of $rows ended sessions with their usage=$(history_size "history_$rows")")
        history_runs "history_$rows" "$rows ended"
        pg_sql postgres "DROP DATABASE history_$rows"
    done
}

history_runs() { # DATABASE LABEL
    portal token create --name bench --json
    json_field token <"$LOG/portal-command.log" | tr -d '\n' | keep_secret api.token
    start_portal
    start_radiusd
    log_all_in "$BENCH_CUSTOMERS"
    record_run "$1-64" "radiusd, $2" radiusd "$AUTH_PORT" "$ACCT_PORT" --outstanding 64 --tickets "$(record_tickets)"
    # Some sessions are open now, as in a day's middle.
    load history --portal "$(portal_url)" --token-file "$SECRETS/api.token" --config "$CONFIG" \
        --label "$2" --facts "$BENCH_HOME/reports/$1.facts" ||
        fail "The history could not be asked for: the reason stands above."
    mapfile -t -O "${#BENCH_FACTS[@]}" BENCH_FACTS <"$BENCH_HOME/reports/$1.facts"
    stop_child radiusd
    stop_child portal
}

# How long an operator waits for the desk's pages, with a million customers and as long a history as any.
bench_desk() {
    local customers=$DESK_CUSTOMERS rows=${HISTORY_ROWS[-1]}
    [[ -z $BENCH_QUICK ]] || customers=$DESK_CUSTOMERS_QUICK rows=$HISTORY_ROWS_QUICK
    [[ -z $BENCH_ROWS ]] || rows=$BENCH_ROWS
    BENCH_FACTS_ONLY=yes
    start_redis
    say "$customers customers and $rows ended sessions."
    require_history_space "$rows"
    prepare_directory desk "$customers" --history "$rows"
    portal admin create --email bench@example.org --password-stdin --role support <"$SECRETS/admin.password"
    start_portal
    load desk --portal "$(portal_url)" --config "$CONFIG" --email bench@example.org --password-file "$SECRETS/admin.password" \
        --facts "$BENCH_HOME/reports/desk.facts" ||
        fail "The desk could not be asked for its pages: the reason stands above."
    mapfile -t -O "${#BENCH_FACTS[@]}" BENCH_FACTS <"$BENCH_HOME/reports/desk.facts"
    stop_child portal
    pg_sql postgres "DROP DATABASE desk WITH (FORCE)"
    bench_reports "$customers" "$rows"
}

# Reports read sums by the hour, whose number goes with hours and routers; those of a tenth of the sessions are made in minutes.
bench_reports() { # CUSTOMERS ROWS
    local rows=$(($2 < REPORT_ROWS_MAX ? $2 : REPORT_ROWS_MAX))
    say "Reports: $1 customers and $rows ended sessions."
    prepare_directory reports "$1" --history "$rows"
    portal admin create --email bench@example.org --password-stdin --role support <"$SECRETS/admin.password"
    local asked=(desk --portal "$(portal_url)" --config "$CONFIG" --email bench@example.org --password-file "$SECRETS/admin.password")
    # Before a portal runs, which sums up what was sold.
    load "${asked[@]}" --sell || fail "Nothing could be sold: the reason stands above."
    start_portal
    load "${asked[@]}" --reports --calls 40 --facts "$BENCH_HOME/reports/reports.facts" ||
        fail "The desk could not be asked for its reports: the reason stands above."
    mapfile -t -O "${#BENCH_FACTS[@]}" BENCH_FACTS <"$BENCH_HOME/reports/reports.facts"
    stop_child portal
    pg_sql postgres "DROP DATABASE reports WITH (FORCE)"
}

# A session takes some 700 octets with its indexes, and as much again for its usage and PostgreSQL's log.
require_history_space() { # ROWS
    local needed=$(($1 * 1400 / 1048576 + FREE_SPACE_MIN_MIB)) free
    free=$(free_mib "$SERVER_HOME")
    ((free >= needed)) || fail "$1 ended sessions need $needed MiB, and $free MiB are free under $SERVER_HOME: make room, or ask for fewer with --rows."
}

history_size() { # DATABASE
    pg_sql "$1" "SELECT string_agg(size, ' and ' ORDER BY parent) FROM (
        SELECT inhparent::regclass::text AS parent, pg_size_pretty(sum(pg_total_relation_size(inhrelid))) AS size
        FROM pg_inherits WHERE inhparent IN ('sessions_ended'::regclass, 'usage_hourly'::regclass)
        GROUP BY 1) sizes"
}
