# shellcheck shell=bash
# `bench payments`: guests who buy from the portal over HTTP and pay by M-Pesa, which the generator plays, and whether
# every payment is one grant or one refund due. `bench pages`: how soon a browser shows a guest's first page.
#
# Both have a shop: a portal of the bench with packages on sale, and radiusd beside it where something is granted.

readonly PAYMENT_ORDERS=5000 PAYMENT_ORDERS_QUICK=500 PAYMENT_ORDERS_MAX=400000
# Guests who are under way at once where each that goes lets the next one come.
readonly PAYMENT_GUESTS=256
# What an order and its traces take on the disk, octets, PostgreSQL's log included.
readonly PAYMENT_OCTETS=40000
readonly PAGE_TIMES=20 PAGE_TIMES_QUICK=3

BENCH_ORDERS='' BENCH_RATE='' BENCH_GUESTS='' BENCH_FAULTS='' BENCH_TIMES=''

# What the portal can do, then half of that; or one run at a rate; or one rough day.
bench_payments() {
    local orders=$PAYMENT_ORDERS full=orders-full
    [[ -z $BENCH_QUICK ]] || orders=$PAYMENT_ORDERS_QUICK
    orders=${BENCH_ORDERS:-$orders}
    require_payment_space "$orders"
    open_shop payments "$BENCH_CUSTOMERS"
    start_radiusd
    await radiusd 120 "come to rest" "$BIN/load" idle --pid "${CHILD_PID[radiusd]}"
    start_portal
    if [[ -n $BENCH_FAULTS ]]; then
        say "$orders orders on a day on which everything goes wrong that can."
        payment_run orders-rough "portal, rough day" "$orders" 0 --faults "$(payment_pace)"
    elif [[ -n $BENCH_RATE ]]; then
        say "$orders orders, $BENCH_RATE a second."
        payment_run orders-rate portal "$orders" 0 "$(payment_pace)"
    else
        say "$orders orders, ${BENCH_GUESTS:-$PAYMENT_GUESTS} guests at once."
        payment_run "$full" portal "$orders" 0 "$(payment_pace)"
        say "$orders orders, at half of that rate."
        payment_run orders-half portal "$orders" "$orders" "--rate-from=$BENCH_HOME/reports/$full.json" --share 0.5
    fi
    stop_child portal
    stop_child radiusd
}

payment_pace() {
    if [[ -n $BENCH_RATE ]]; then printf -- '--rate=%s' "$BENCH_RATE"; else printf -- '--guests=%s' "${BENCH_GUESTS:-$PAYMENT_GUESTS}"; fi
}

# One run, whose report joins the table. Books that are wrong fail the bench.
payment_run() { # REPORT LABEL ORDERS FIRST-GUEST OPTION...
    local report=$BENCH_HOME/reports/$1.json facts=$BENCH_HOME/reports/$1.facts
    pg_sql payments 'VACUUM ANALYZE'
    pg_sql postgres CHECKPOINT
    load payments --config "$CONFIG" --portal "$(portal_url)" --label "$2" --orders "$3" --first "$4" --json "$report" \
        --facts "$facts" --watch "server=${CHILD_PID[portal]}" --watch "postgresql=${CHILD_PID[postgresql]}+" \
        --watch "radiusd=${CHILD_PID[radiusd]}" --watch "redis=${CHILD_PID[redis]}" "${@:5}" ||
        fail "The orders did not come out as they should: the reason stands above."
    mapfile -t -O "${#BENCH_FACTS[@]}" BENCH_FACTS <"$facts"
    BENCH_REPORTS+=("$report")
}

require_payment_space() { # ORDERS
    local needed=$(($1 * 2 * PAYMENT_OCTETS / 1048576 + FREE_SPACE_MIN_MIB)) free
    free=$(free_mib "$SERVER_HOME")
    ((free >= needed)) || fail "$1 orders need $needed MiB, and $free MiB are free under $SERVER_HOME: make room, or ask for fewer with --orders."
}

bench_pages() {
    local times=$PAGE_TIMES
    [[ -z $BENCH_QUICK ]] || times=$PAGE_TIMES_QUICK
    times=${BENCH_TIMES:-$times}
    export_program MLANGO_CHROMIUM "this bench" chromium chromium-browser google-chrome
    export_program MLANGO_CHROMEDRIVER "this bench" chromedriver
    [[ -n ${MLANGO_CHROMIUM:-} && -n ${MLANGO_CHROMEDRIVER:-} ]] || fail "bench pages needs Chromium and its driver."
    BENCH_FACTS_ONLY=yes
    open_shop pages 0
    start_portal
    say "The first page of a guest, $times times over each network."
    load pages --config "$CONFIG" --portal "$(portal_url)" --times "$times" --facts "$BENCH_HOME/reports/pages.facts" ||
        fail "The page could not be measured: the reason stands above."
    mapfile -t -O "${#BENCH_FACTS[@]}" BENCH_FACTS <"$BENCH_HOME/reports/pages.facts"
    stop_child portal
}

# A database with customers, packages on sale, and an M-Pesa in the configuration, where the generator may play it.
open_shop() { # DATABASE CUSTOMERS
    choose_port DARAJA_PORT "the M-Pesa simulator" tcp 127.0.0.1 8091
    make_mpesa_secrets
    start_redis
    prepare_directory "$1" "$2"
    mpesa_config >>"$CONFIG"
    portal package add --slug half-hour --name "30 minutes" --price 10 --duration 30m --up 2M --down 5M
    portal package add --slug hour --name "1 hour" --price 20 --duration 1h --data 1GB --up 2M --down 5M
    portal package add --slug day --name "1 day" --price 50 --duration 1d --data 5GB --up 3M --down 10M
    portal package add --slug week --name "1 week" --price 250 --duration 1w --data 20GB --up 5M --down 10M --devices 2
}
