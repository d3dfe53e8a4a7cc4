# shellcheck shell=bash
# `up` and `down`: from nothing to a healthy Mlango, and back to nothing.
#
# What takes long and needs a person's eyes (installing, building) happens first, in front. Then the
# supervisor takes the lock, starts the servers, migrates, makes the operator's first things, starts the
# programs, waits until they are ready, writes .mlango/env, and watches. Detached it is the same
# supervisor in a session of its own.
#
# run/: lock (held while a supervisor lives), supervisor (its pid and start time), children (theirs),
# ready (what is running and where; there once all is healthy).

# How long a program may take until it is ready, seconds.
readonly PROGRAM_START=60

cmd_up() {
    local demo='' detach='' argument
    for argument in "$@"; do
        case $argument in
            --demo) demo=yes ;;
            --detach) detach=yes ;;
            *) fail "up does not know $argument; see ./mlango help." ;;
        esac
    done
    open_state "$STATE"
    ! locked || report_running
    require_space "$ROOT"
    choose_server_homes "$STATE"
    install_for_up
    build_programs
    if [[ -n $detach ]]; then
        supervise_detached "$demo"
    else
        FOLLOW=yes
        supervise "$demo"
    fi
}

# A second `up`: says what runs, and whether it is well.
report_running() {
    local pid rest
    read -r pid rest <"$RUN/supervisor" 2>/dev/null || pid=unknown
    [[ -e $RUN/ready ]] || fail "Mlango is being started or stopped by process $pid: wait for it, or look into .mlango/log/."
    if programs_healthy; then
        say "Mlango is already running (process $pid)."
        cat "$RUN/ready"
        exit 0
    fi
    fail "Mlango is running (process $pid) but not healthy: ./mlango doctor says more; ./mlango down stops it."
}

programs_healthy() {
    local url
    while IFS= read -r url; do
        answers "$url" || return 1
    done < <(grep -o 'http://[^ ]*/readyz' "$RUN/ready")
}

supervise_detached() { # DEMO?
    local supervisor shown
    rm -f "$RUN/ready"
    MLANGO_BIN_DIR=$BIN setsid "$ROOT/mlango" _supervise ${1:+--demo} </dev/null >"$LOG/up.log" 2>&1 &
    supervisor=$!
    TIED_PID=$supervisor # until it is healthy, our end is its end
    tail --pid="$supervisor" -s 0.1 -n +1 -f "$LOG/up.log" &
    shown=$!
    until [[ -e $RUN/ready ]]; do
        if ! kill -0 "$supervisor" 2>/dev/null; then
            wait "$shown" || true
            fail "Mlango did not start: the reason stands above, the logs are in .mlango/log/."
        fi
        sleep 0.1
    done
    TIED_PID=''
    kill "$shown" 2>/dev/null || true
    wait "$shown" 2>/dev/null || true
    cat "$RUN/ready"
    say "Mlango runs in the background (process $supervisor); ./mlango down stops it, .mlango/log/ has its logs."
}

cmd_supervise() {
    open_state "$STATE"
    choose_server_homes "$STATE"
    ! private_postgres || require_postgres
    ! private_redis || require_redis
    BIN=$MLANGO_BIN_DIR
    supervise "${1:+yes}"
}

supervise() { # DEMO?
    local demo=$1
    umask 077
    take_lock || fail "Another ./mlango up has just started here; it goes on, this one ends."
    printf '%d %s\n' "$$" "$(started_at $$)" >"$RUN/supervisor"
    rm -f "$RUN/ready"
    clear_leftovers
    choose_ports
    [[ -z $demo ]] || choose_demo_addresses
    start_servers
    make_secrets
    [[ -z $demo ]] || make_demo_secrets
    write_config "$demo"
    prepare_database
    [[ -z $demo ]] || prepare_demo
    start_programs
    [[ -z $demo ]] || start_demo
    write_env "$demo"
    summary "$demo" >"$RUN/ready.new"
    mv "$RUN/ready.new" "$RUN/ready"
    say "Mlango is ready."
    if [[ -n $FOLLOW ]]; then
        cat "$RUN/ready"
        say "Ctrl-C stops it."
    fi
    watch_children
}

start_servers() {
    if private_postgres; then
        say "Starting PostgreSQL."
        start_postgres 100 256MB
        make_database
        DATABASE_URL=$(private_database_url)
    else
        say "Using the PostgreSQL of DATABASE_URL."
    fi
    if private_redis; then
        say "Starting Redis."
        start_redis
        REDIS_URL=$(private_redis_url)
    else
        say "Using the Redis of REDIS_URL."
    fi
}

# Tables, the operator's account, a token for scripts, and this machine as a RADIUS client. The account's
# password is set at each start, so that .mlango/env tells the truth.
prepare_database() {
    say "Bringing the database to this version."
    portal migrate
    portal admin create --email "$ADMIN_EMAIL" --password-stdin <"$SECRETS/admin.password"
    if [[ ! -s $SECRETS/$(api_token_name) ]]; then
        portal token create --name mlango-up --json
        json_field token <"$LOG/portal-command.log" | tr -d '\n' | keep_secret "$(api_token_name)"
        [[ -s $SECRETS/$(api_token_name) ]] || fail "portal token create did not print a token; see .mlango/log/portal-command.log."
        : >"$LOG/portal-command.log"
    fi
    portal nas add --name localhost --address 127.0.0.1/32 --secret-stdin <"$SECRETS/radius.secret"
}

# A command of the portal; its answer is in log/portal-command.log. Its own last sentence is its error.
portal() { # ARGUMENTS...
    if ! "$BIN/portal" --config "$CONFIG" "$@" >"$LOG/portal-command.log" 2>"$LOG/portal-command.err"; then
        ! tells_full_disk "$LOG/portal-command.err" "$LOG/postgresql.log" || fail "portal $1 failed because the disk is full: make room and try again."
        fail "portal $1 failed: $(last_line "$LOG/portal-command.err")"
    fi
}

start_programs() {
    say "Starting radiusd and the portal."
    start_child radiusd TERM '' "$BIN/radiusd" --config "$CONFIG"
    start_child portal TERM '' "$BIN/portal" --config "$CONFIG" serve
    await radiusd "$PROGRAM_START" "become ready" answers "http://127.0.0.1:$ADMIN_PORT/readyz"
    await portal "$PROGRAM_START" "become ready" answers "http://127.0.0.1:$METRICS_PORT/readyz"
}

cmd_down() {
    (($# == 0)) || fail "down takes no arguments."
    if [[ ! -d $STATE/run ]]; then
        say "Nothing is running."
        return 0
    fi
    open_state "$STATE"
    local pid='' started='' was='' deadline
    if [[ -e $RUN/supervisor ]]; then read -r pid started <"$RUN/supervisor" || true; fi
    if [[ -n $pid ]] && same_process "$pid" "$started"; then
        was=yes
        say "Stopping Mlango (process $pid)."
        kill -TERM "$pid"
        deadline=$((SECONDS + STOP_PROGRAM + 2 * STOP_SERVER + 10))
        while same_process "$pid" "$started"; do
            if ((SECONDS >= deadline)); then
                say "It did not stop in time and is killed."
                kill -KILL "$pid"
            fi
            sleep 0.1
        done
    fi
    clear_leftovers
    ! locked || fail "Something still holds $RUN/lock: another ./mlango up is starting here."
    rm -f "$RUN/supervisor" "$RUN/ready"
    if [[ -n $was ]]; then say "Stopped; no process is left."; else say "Nothing is running."; fi
}
