# shellcheck shell=bash
# `bench`: our server beside others, on this machine, in one run, asked by one generator.
#
# The benches of accounting are in records.bash, that of the end of access in expiry.bash, those of the portal in
# payments.bash, that of forecasts in forecast.bash, the peer is in peer.bash.
# Everything lies under .mlango/bench: a PostgreSQL of its own, as durable as in production; databases made
# anew for each run; one report per run and last.json with all of them. Servers run one after the other, so
# that each has the machine for itself. docs/operations/benchmarks.md says how to read what comes out.

readonly BENCH_HOME=$STATE/bench
readonly BENCH_CONNECTIONS=100 BENCH_BUFFERS=1GB
# Customers of every login bench, ours and the peer's.
readonly BENCH_CUSTOMERS=100000
# What is asked for under overload, of what a server can do; how long; and what is asked for afterwards.
readonly OVERLOAD=2.5 OVERLOAD_SECONDS=20 AFTERWARDS=0.5
# The share of a core that our server gets under overload, in microseconds of each period: with a core of its own it
# answers as fast as the generator can ask, and nothing is ever overloaded.
readonly OVERLOAD_QUOTA=2500 OVERLOAD_PERIOD=10000
readonly CPU_GROUP=/sys/fs/cgroup/cpu/mlango-bench
# A malformed flood, and the valid logins beside it, a second.
readonly FLOOD=20000 BESIDE_FLOOD=1000
# Directories that are compared, and the changes that the larger one takes.
readonly SMALL_DIRECTORY=10000 LARGE_DIRECTORY=1000000 LARGE_DIRECTORY_QUICK=100000
readonly CHANGES=1000 CHANGES_SECONDS=10
# Sessions that are open while radiusd starts.
readonly OPEN_SESSIONS=200000 OPEN_SESSIONS_QUICK=20000

BENCH_SECONDS=5
BENCH_QUICK='' BENCH_RELEASE='' BENCH_LEAN='' BENCH_PIN='' BENCH_ROWS=''
# The run that every other is compared with, beside ours with all others.
BENCH_BASE=''
# Everything that the bench found is a fact: there are no runs to be put side by side.
BENCH_FACTS_ONLY=''
# The bench's last.json has the reports in the order in which they were made.
BENCH_REPORTS=()
BENCH_FACTS=()
# What comes before a program's name, to keep it on its cores.
SERVER_CORES=() GENERATOR_CORES=()

cmd_bench() {
    local what=${1:-}
    (($# == 0)) || shift
    case $what in
        codec)
            require_cargo
            cargo bench -p radius-proto "$@"
            return
            ;;
        forecast)
            bench_forecast "$@"
            return
            ;;
        auth | flood | directory | accounting | expiry | history | desk | payments | pages) ;;
        # Otherwise the generator, which then has most to do, would take from the server what it measures.
        overload) BENCH_PIN=yes ;;
        *) fail "bench wants to know what: auth, overload, flood, directory, accounting, expiry, history, desk, payments, pages, forecast or codec; see ./mlango help." ;;
    esac
    bench_options "$@"
    # A source port holds 256 logins; an overload needs hundreds.
    ulimit -Sn "$(ulimit -Hn)"
    open_bench_home
    install_for_bench "$what"
    build_for_bench
    start_postgres "$BENCH_CONNECTIONS" "$BENCH_BUFFERS"
    choose_cores
    "bench_$what"
    bench_table
    SPOKEN=yes
}

bench_options() {
    while (($# > 0)); do
        case $1 in
            --seconds)
                [[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || fail "--seconds wants a whole number of seconds for each round."
                BENCH_SECONDS=$2
                shift
                ;;
            --rows)
                [[ ${2:-} =~ ^[1-9][0-9]{0,8}$ ]] || fail "--rows wants the number of ended sessions."
                BENCH_ROWS=$2
                shift
                ;;
            --orders)
                if [[ ! ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || (($2 > PAYMENT_ORDERS_MAX)); then fail "--orders wants the number of orders, $PAYMENT_ORDERS_MAX at most."; fi
                BENCH_ORDERS=$2
                shift
                ;;
            --rate)
                [[ ${2:-} =~ ^[1-9][0-9]{0,4}$ ]] || fail "--rate wants a whole number of orders a second."
                BENCH_RATE=$2
                shift
                ;;
            --guests)
                [[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || fail "--guests wants the number of guests at once."
                BENCH_GUESTS=$2
                shift
                ;;
            --times)
                [[ ${2:-} =~ ^[1-9][0-9]{0,2}$ ]] || fail "--times wants to know how often the page is opened."
                BENCH_TIMES=$2
                shift
                ;;
            --faults) BENCH_FAULTS=yes ;;
            --quick) BENCH_QUICK=yes ;;
            --release) BENCH_RELEASE=yes ;;
            --lean) BENCH_LEAN=yes ;;
            --pin) BENCH_PIN=yes ;;
            *) fail "bench does not know $1; see ./mlango help." ;;
        esac
        shift
    done
    if [[ -n $BENCH_QUICK ]]; then BENCH_SECONDS=1; fi
    [[ -z $BENCH_RATE || -z $BENCH_GUESTS ]] || fail "Guests come at a --rate, or so many --guests are there at once; not both."
}

open_bench_home() {
    open_state "$BENCH_HOME"
    take_lock || fail "A bench is running in this checkout already; wait for it."
    require_space "$ROOT"
    clear_leftovers
    choose_server_homes "$BENCH_HOME"
    rm -rf "$PG_HOME" "$BENCH_HOME"/{reports,raddb,spool,detail}
    mkdir -p "$BENCH_HOME"/{reports,secrets}
    # The next run needs nothing of this one's data.
    REMOVE_AT_END=("$PG_HOME" "$BENCH_HOME/spool" "$BENCH_HOME/detail")
    SECRETS=$BENCH_HOME/secrets CONFIG=$BENCH_HOME/config.toml
    make_secrets
    choose_ports
    choose_port PEER_PORT "the servers beside ours" udp 0.0.0.0 18120
    choose_port PEER_ACCT_PORT "their accounting" udp 0.0.0.0 18130
}

# The peer comes from the system's packages; without root what is not there is left out.
install_for_bench() { # BENCH
    local packages=() reasons=() wheels='' redis=''
    [[ $1 != history && $1 != desk && $1 != payments && $1 != pages ]] || redis=yes
    want curl curl "asks radiusd whether it is ready"
    want cc build-essential "links what the Rust compiler made"
    if [[ $1 == pages ]]; then
        if am_root; then
            want chromium chromium "the browser that opens the page"
            want chromedriver chromium-driver "steers that browser"
        fi
    elif [[ $1 != payments ]] && am_root; then
        want freeradius freeradius "the server that ours is compared with; only its program is used"
        [[ -e $PEER_LIBRARIES/rlm_sql_postgresql.so ]] || { packages+=(freeradius-postgresql) && reasons+=("freeradius-postgresql (its way to PostgreSQL)"); }
    fi
    want_servers yes "$redis"
    install_wanted
    require_postgres
    [[ -z $redis ]] || require_redis
    require_cargo
}

build_for_bench() {
    if [[ -n $BENCH_RELEASE && -z ${MLANGO_BIN_DIR:-} ]]; then
        say "Building in release (this takes minutes)."
        cargo build --release --workspace --bins || fail "The build failed: the compiler's reason stands above."
        BIN=$(target_dir)/release
    else
        build_programs
    fi
}

# Logins: the responder, radiusd, FreeRADIUS in several shapes, and the responder again, to show how much the
# machine drifted meanwhile.
bench_auth() {
    bench_responder before
    bench_radiusd
    if have_peer; then
        make_peer_database
        bench_peer files
        [[ -z $BENCH_LEAN ]] || bench_peer lean
        bench_peer sql
    else
        say "There is no freeradius here, and only root can install it: its lines are left out."
    fi
    bench_responder after
}

bench_responder() { # WHEN
    say "The responder without logic, $1."
    start_responder
    login_runs "responder-$1" responder "$PEER_PORT" responder
    stop_child responder
}

start_responder() {
    start_child responder TERM '' "${SERVER_CORES[@]}" "$BIN/load" responder --listen "127.0.0.1:$PEER_PORT" --secret-file "$SECRETS/radius.secret"
    await responder 10 "listen" grep -q listening "$LOG/responder.log"
}

bench_radiusd() {
    say "radiusd with $BENCH_CUSTOMERS customers, each with quota, end, speed and a bound device."
    start_full_radiusd
    login_runs radiusd radiusd "$AUTH_PORT" radiusd
    stop_child radiusd
}

# radiusd with the customers of the login benches, each of whom has logged in.
start_full_radiusd() {
    prepare_directory mlango "$BENCH_CUSTOMERS"
    start_radiusd
    log_all_in "$BENCH_CUSTOMERS"
}

# A database of ours with customers in it, each with a phone bound. Sets DATABASE_URL and the configuration.
prepare_directory() { # DATABASE CUSTOMERS [SEED-OPTION...]
    make_bench_role
    pg_sql postgres "CREATE DATABASE $1 OWNER mlango"
    DATABASE_URL=$(bench_url "$1" mlango)
    REDIS_URL=$(private_redis_url) # nothing here speaks to it
    write_config ''
    portal migrate
    portal nas add --name bench --address 127.0.0.1/32 --secret-stdin <"$SECRETS/radius.secret"
    [[ " ${*:3} " != *" --history "* ]] || add_routers
    portal package add --slug seeded --name Seeded --price 0 --duration 365d --data 100GB --up 5M --down 10M \
        --idle 5m --devices 100 --starts purchase --inactive
    (($2 == 0)) || portal seed --bound --customers "$2" "${@:3}"
    pg_sql "$1" 'VACUUM ANALYZE'
}

# Where a history has happened: four routers at each of five sites.
add_routers() {
    local number
    for number in {1..20}; do
        portal nas add --name "router$number" --site "Site $((number % 5 + 1))" --address "10.254.0.$number/32" \
            --secret-stdin <"$SECRETS/radius.secret"
    done
}

make_bench_role() {
    [[ -n $(pg_sql postgres "SELECT 1 FROM pg_roles WHERE rolname = 'mlango'") ]] || pg_sql postgres 'CREATE ROLE mlango LOGIN'
}

# Settings other than those in the configuration come as in any environment: MLANGO__SECTION__KEY=VALUE.
start_radiusd() { # [SETTING...]
    # Not the spool of what `up` runs.
    ! has_journal || set -- "MLANGO__ACCOUNTING__SPOOL=$BENCH_HOME/spool" "$@"
    start_child radiusd TERM '' "${SERVER_CORES[@]}" env "$@" "$BIN/radiusd" --config "$CONFIG"
    await radiusd "$PROGRAM_START" "become ready" answers "http://127.0.0.1:$ADMIN_PORT/readyz"
}

start_portal() {
    start_child portal TERM '' "${SERVER_CORES[@]}" "$BIN/portal" --config "$CONFIG" serve
    await portal "$PROGRAM_START" "become ready" answers "http://127.0.0.1:$METRICS_PORT/readyz"
}

# Each customer logs in once, so that nothing is done for the first time while it is measured.
log_all_in() { # CUSTOMERS
    load login --server "127.0.0.1:$AUTH_PORT" --secret-file "$SECRETS/radius.secret" --label "first logins" \
        --once --users "$1" >"$LOG/first-logins.log" 2>&1 || fail "The first logins failed: $(last_line "$LOG/first-logins.log")"
    await radiusd 120 "come to rest" "$BIN/load" idle --pid "${CHILD_PID[radiusd]}"
}

# More than a server can do, for a while, and what becomes of it. The peer with its stock queue, and with the
# short one that is the best that was found for it.
bench_overload() {
    say "radiusd under overload."
    start_full_radiusd
    hold_back radiusd
    overload_runs radiusd-held-back "$AUTH_PORT" radiusd
    stop_child radiusd
    rmdir "$CPU_GROUP" 2>/dev/null || true
    if ! have_peer; then return 0; fi
    make_peer_database
    say "FreeRADIUS with PostgreSQL under overload, with its stock queue."
    start_peer sql 65536
    overload_runs freeradius-sql "$PEER_PORT" freeradius --accept-unsigned
    stop_child freeradius
    say "FreeRADIUS with PostgreSQL under overload, with a queue of 128."
    start_peer sql 128
    overload_runs freeradius-sql-128 "$PEER_PORT" freeradius --accept-unsigned
    stop_child freeradius
}

# Gives a child a part of one core, where the kernel lets us.
hold_back() { # CHILD
    if mkdir -p "$CPU_GROUP" 2>/dev/null && echo "$OVERLOAD_PERIOD" 2>/dev/null >"$CPU_GROUP/cpu.cfs_period_us" &&
        echo "$OVERLOAD_QUOTA" 2>/dev/null >"$CPU_GROUP/cpu.cfs_quota_us" &&
        echo "${CHILD_PID[$1]}" 2>/dev/null >"$CPU_GROUP/cgroup.procs"; then
        BENCH_FACTS+=("core of $1 under overload=$((OVERLOAD_QUOTA * 100 / OVERLOAD_PERIOD)) %")
        say "$1 gets $((OVERLOAD_QUOTA * 100 / OVERLOAD_PERIOD)) % of a core, so that more can be asked of it than it can do."
    else
        say "This kernel does not let us hold $1 back: see in the table whether the generator kept up."
    fi
}

overload_runs() { # LABEL PORT CHILD OPTION...
    local label=$1 common
    common=(--server "127.0.0.1:$2" --secret-file "$SECRETS/radius.secret" --label "$1" --users "$BENCH_CUSTOMERS"
        --watch "server=${CHILD_PID[$3]}" --watch "postgresql=${CHILD_PID[postgresql]}+" "${@:4}")
    load_run "$label-closed" "${common[@]}" --outstanding 64 --seconds "$BENCH_SECONDS" --rounds 3
    load_run "$label-overload" "${common[@]}" --rate-from "$BENCH_HOME/reports/$label-closed.json" --share "$OVERLOAD" \
        --warm 0 --rounds 1 --seconds "$OVERLOAD_SECONDS" --then-rate "$AFTERWARDS"
}

# Datagrams that nobody should answer, beside logins that somebody should.
bench_flood() {
    local common
    say "radiusd beside a flood of $FLOOD datagrams a second from an unregistered address."
    start_full_radiusd
    common=(--server "127.0.0.1:$AUTH_PORT" --secret-file "$SECRETS/radius.secret" --users "$BENCH_CUSTOMERS" --rate "$BESIDE_FLOOD"
        --rounds 3 --seconds "$BENCH_SECONDS" --watch "server=${CHILD_PID[radiusd]}" --watch "postgresql=${CHILD_PID[postgresql]}+")
    load_run calm "${common[@]}" --label "radiusd, calm"
    load_run flooded "${common[@]}" --label "radiusd, flooded" --flood "$FLOOD"
    load_run calm-again "${common[@]}" --label "radiusd, calm again"
    stop_child radiusd
}

# A large directory: how soon it is ready, what it takes, whether logins notice, and how soon a change counts.
bench_directory() {
    local large=$LARGE_DIRECTORY empty resident began
    [[ -z $BENCH_QUICK ]] || large=$LARGE_DIRECTORY_QUICK
    say "An empty directory."
    prepare_directory empty 0
    start_radiusd
    await radiusd 120 "come to rest" "$BIN/load" idle --pid "${CHILD_PID[radiusd]}"
    empty=$(resident_octets radiusd)
    stop_child radiusd
    say "A directory of $SMALL_DIRECTORY."
    prepare_directory small "$SMALL_DIRECTORY"
    start_radiusd
    directory_run "$SMALL_DIRECTORY"
    stop_child radiusd
    say "A directory of $large."
    began=$(date +%s%3N)
    prepare_directory large "$large"
    BENCH_FACTS+=("seconds to seed $large customers=$(seconds_since "$began")")
    directory_start "seconds until radiusd is ready (goal under 10)"
    resident=$(resident_octets radiusd)
    BENCH_FACTS+=("octets of memory for each customer, with a bound phone (goal under 400)=$(((resident - empty) / large))")
    directory_run "$large"
    say "$CHANGES changes a second for $CHANGES_SECONDS seconds."
    load change --config "$CONFIG" --server "127.0.0.1:$AUTH_PORT" --secret-file "$SECRETS/radius.secret" --users "$large" \
        --rate "$CHANGES" --seconds "$CHANGES_SECONDS" --facts "$BENCH_HOME/reports/changes" ||
        fail "The changes were not all honoured: the reason stands above."
    mapfile -t -O "${#BENCH_FACTS[@]}" BENCH_FACTS <"$BENCH_HOME/reports/changes"
    stop_child radiusd
    directory_online
}

# What open sessions cost who starts: the same customers, first with nobody online, then with everybody.
directory_online() {
    local count=$OPEN_SESSIONS offline
    [[ -z $BENCH_QUICK ]] || count=$OPEN_SESSIONS_QUICK
    say "$count customers, nobody online, then everybody."
    prepare_directory online "$count"
    directory_start "seconds until radiusd is ready, $count customers, no open session"
    offline=$(resident_octets radiusd)
    stop_child radiusd
    portal seed --bound --customers "$count" --sessions "$count"
    pg_sql online 'VACUUM ANALYZE'
    directory_start "seconds until radiusd is ready, $count customers, as many open sessions"
    BENCH_FACTS+=("octets of memory for each open session=$((($(resident_octets radiusd) - offline) / count))")
    BENCH_FACTS+=("MiB of memory with $count open sessions=$(($(resident_octets radiusd) / 1048576))")
    stop_child radiusd
}

# Starts radiusd, notes how long that took, and lets it come to rest.
directory_start() { # FACT
    local began
    began=$(date +%s%3N)
    start_radiusd
    BENCH_FACTS+=("$1=$(seconds_since "$began")")
    await radiusd 120 "come to rest" "$BIN/load" idle --pid "${CHILD_PID[radiusd]}"
}

directory_run() { # CUSTOMERS
    log_all_in "$1"
    load_run "radiusd-$1" --server "127.0.0.1:$AUTH_PORT" --secret-file "$SECRETS/radius.secret" --label "radiusd-$1" --users "$1" \
        --seconds "$BENCH_SECONDS" --rounds 3 --watch "server=${CHILD_PID[radiusd]}" --watch "postgresql=${CHILD_PID[postgresql]}+"
}

resident_octets() { # CHILD
    awk '$1 == "VmRSS:" { printf "%d", $2 * 1024 }' "/proc/${CHILD_PID[$1]}/status"
}

seconds_since() { # MILLISECONDS
    local now
    now=$(date +%s%3N)
    printf '%d.%01d' $(((now - $1) / 1000)) $(((now - $1) % 1000 / 100))
}

# The three runs of a server: both closed loops, then half of what the first one reached, open.
login_runs() { # NAME LABEL PORT CHILD OPTION...
    local name=$1 label=$2 port=$3 child=$4 first
    shift 4
    local common=(--server "127.0.0.1:$port" --secret-file "$SECRETS/radius.secret" --label "$label" --users "$BENCH_CUSTOMERS"
        --seconds "$BENCH_SECONDS" --rounds 3 --watch "server=${CHILD_PID[$child]}" --watch "postgresql=${CHILD_PID[postgresql]}+" "$@")
    first=$BENCH_HOME/reports/$name-64.json
    load_run "$name-64" "${common[@]}" --outstanding 64
    load_run "$name-256" "${common[@]}" --outstanding 256
    load_run "$name-half" "${common[@]}" --rate-from "$first" --share 0.5
}

# One run, whose report joins the table.
load_run() { # REPORT ARGUMENTS...
    local report=$BENCH_HOME/reports/$1.json
    shift
    load login --json "$report" "$@" || say "This run is not to be trusted: the reason stands above."
    [[ ! -s $report ]] || BENCH_REPORTS+=("$report")
}

load() {
    run_tied "${GENERATOR_CORES[@]}" "$BIN/load" "$@"
}

# With --pin the generator has the last core and the servers have the others; otherwise the kernel shares.
choose_cores() {
    local last=$(($(nproc) - 1))
    if [[ -z $BENCH_PIN ]] || ((last == 0)); then return 0; fi
    SERVER_CORES=(taskset -c "0-$((last - 1))")
    GENERATOR_CORES=(taskset -c "$last")
    taskset -pc "0-$((last - 1))" "${CHILD_PID[postgresql]}" >/dev/null
}

# Stops one child before the end.
stop_child() { # NAME
    local name others=()
    kill -s "${CHILD_SIGNAL[$1]}" "${CHILD_PID[$1]}" 2>/dev/null || true
    end_child "$1" "$STOP_PROGRAM"
    for name in "${CHILDREN[@]}"; do [[ $name == "$1" ]] || others+=("$name"); done
    CHILDREN=("${others[@]}")
}

bench_table() {
    local profile=dev fact facts=()
    for fact in "${BENCH_FACTS[@]}"; do facts+=(--fact "$fact"); done
    [[ -z $BENCH_RELEASE ]] || profile=release
    "$BIN/load" table --out "$BENCH_HOME/last.json" ${BENCH_BASE:+--base "$BENCH_BASE"} ${BENCH_FACTS_ONLY:+--facts-only} \
        --fact "commit=$(git -C "$ROOT" rev-parse --short HEAD 2>/dev/null || echo unknown)" --fact "profile=$profile" \
        --fact "processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores" \
        --fact "load before the table=$(cut -d' ' -f1-3 /proc/loadavg)" --fact "pinned=${BENCH_PIN:-no}" \
        --fact "seconds of a round=$BENCH_SECONDS" --fact "PostgreSQL=$(postgres_major "$PG_BIN")" \
        --fact "FreeRADIUS=$(peer_version)" "${facts[@]}" "${BENCH_REPORTS[@]}" || fail "The bench does not count: the reason stands above."
}
