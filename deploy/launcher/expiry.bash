# shellcheck shell=bash
# `bench expiry`: very many sessions whose access ends within a minute, because their time is over and because their data
# is used up, or that are made longer by payments; two radiusd that share the work; and the logins beside it.

# Sessions, the routers they are at, the seconds in which all of them end, and customers who log in meanwhile.
readonly EXPIRY_SESSIONS=100000 EXPIRY_QUOTAS=50000 EXPIRY_SESSIONS_QUICK=10000
# Payments that are settled meanwhile: more than these a second, a few at once, is more than two cores do beside all the rest.
readonly EXPIRY_CHANGES=5000 EXPIRY_CHANGES_QUICK=500
readonly EXPIRY_ROUTERS=500 EXPIRY_ROUTERS_QUICK=50
readonly EXPIRY_SPREAD=60 EXPIRY_SPREAD_QUICK=10
readonly EXPIRY_LOGINS=10000 BESIDE_EXPIRY=1000
# From the first line of the preparation to the first deadline, seconds.
readonly EXPIRY_LEAD=90 EXPIRY_LEAD_QUICK=30

bench_expiry() {
    local deadlines=$EXPIRY_SESSIONS quotas=$EXPIRY_QUOTAS changes=$EXPIRY_CHANGES
    [[ -z $BENCH_QUICK ]] || deadlines=$EXPIRY_SESSIONS_QUICK quotas=$EXPIRY_SESSIONS_QUICK changes=$EXPIRY_CHANGES_QUICK
    expiry_run expired "$deadlines"
    expiry_run used-up "$quotas" --quota
    expiry_run changed "$changes" --change
}

expiry_run() { # NAME SESSIONS [OPTION]
    local name=$1 sessions=$2 routers=$EXPIRY_ROUTERS spread=$EXPIRY_SPREAD lead=$EXPIRY_LEAD status=0 play second first
    [[ -z $BENCH_QUICK ]] || routers=$EXPIRY_ROUTERS_QUICK spread=$EXPIRY_SPREAD_QUICK lead=$EXPIRY_LEAD_QUICK
    say "$sessions sessions at $routers routers, $name within $spread seconds."
    prepare_directory "expiry_${name/-/_}" "$((EXPIRY_LOGINS + sessions))"
    second=$(spare_port tcp 127.0.0.1)
    TAKEN_BY_US+=("$second")
    play=(expiry --config "$CONFIG" --server "127.0.0.1:$ACCT_PORT" --secret-file "$SECRETS/radius.secret" --routers "$routers"
        --sessions "$sessions" --first "$((EXPIRY_LOGINS + 1))" --spread "$spread" "${@:3}")
    load "${play[@]}" --prepare --begin-in "$lead" || fail "The sessions could not be made: the reason stands above."
    start_radiusd
    start_second_radiusd "$second"
    log_all_in "$EXPIRY_LOGINS"
    start_child routers TERM '' "${GENERATOR_CORES[@]}" "$BIN/load" "${play[@]}" --label "$name" --facts "$BENCH_HOME/reports/$name.facts" \
        --metrics "http://127.0.0.1:$ADMIN_PORT/metrics" --metrics "http://127.0.0.1:$second/metrics"
    # The logins begin with the first deadlines and end with the last.
    first=$(pg_sql "expiry_${name/-/_}" "SELECT greatest(0, ceil(extract(epoch FROM min(cutoff_at) - now()))) FROM sessions")
    [[ $# -gt 2 ]] || sleep "$first"
    load_run "beside-$name" --server "127.0.0.1:$AUTH_PORT" --secret-file "$SECRETS/radius.secret" --label "radiusd, while $name" \
        --users "$EXPIRY_LOGINS" --rate "$BESIDE_EXPIRY" --rounds 3 --seconds "$((spread / 3))" \
        --watch "server=${CHILD_PID[radiusd]}" --watch "postgresql=${CHILD_PID[postgresql]}+"
    wait "${CHILD_PID[routers]}" || status=$?
    cat "$LOG/routers.log"
    ((status == 0)) || fail "Access did not end as it should: the reason stands above."
    mapfile -t -O "${#BENCH_FACTS[@]}" BENCH_FACTS <"$BENCH_HOME/reports/$name.facts"
    stop_child routers
    stop_child radiusd-2
    stop_child radiusd
}

# Another server on the same PostgreSQL, to which nobody reports; its metrics are at this port.
start_second_radiusd() { # ADMIN-PORT
    start_child radiusd-2 TERM '' "${SERVER_CORES[@]}" env "MLANGO__ACCOUNTING__SPOOL=$BENCH_HOME/spool-2" \
        'MLANGO__RADIUS__AUTH_LISTEN=["127.0.0.1:0"]' 'MLANGO__RADIUS__ACCT_LISTEN=["127.0.0.1:0"]' \
        "MLANGO__RADIUS__ADMIN_LISTEN=127.0.0.1:$1" "$BIN/radiusd" --config "$CONFIG"
    await radiusd-2 "$PROGRAM_START" "become ready" answers "http://127.0.0.1:$1/readyz"
}
