# shellcheck shell=bash
# Ports and addresses: the usual ones where they are free, spare ones where they are not.
#
# The kernel's tables under /proc/net are read directly, since a small machine has neither ss nor
# netstat. Between choosing and listening another program may still take a port; the program that
# then cannot listen says so, and is reported as any child that ends.

# Where spare ports are looked for: below the range that the kernel gives to outgoing connections.
readonly SPARE_FIRST=20000 SPARE_COUNT=10000
# Where routers take Disconnect and CoA requests (RFC 5176 section 3).
readonly COA_PORT=3799

TAKEN_BY_US=()

# Chooses the ports of both programs.
choose_ports() {
    TAKEN_BY_US=()
    choose_port AUTH_PORT "RADIUS authentication" udp 0.0.0.0 1812
    choose_port ACCT_PORT "RADIUS accounting" udp 0.0.0.0 1813
    choose_port PORTAL_PORT "the portal" tcp 0.0.0.0 8080
    choose_port ADMIN_PORT "radiusd's metrics" tcp 127.0.0.1 9812
    choose_port METRICS_PORT "the portal's metrics" tcp 127.0.0.1 9813
}

# Sets VARIABLE to DEFAULT or a spare port; MLANGO_VARIABLE forces one.
choose_port() { # VARIABLE WHAT PROTOCOL ADDRESS DEFAULT
    local -n choice=$1
    local forced_name=MLANGO_$1 what=$2 protocol=$3 address=$4 default=$5
    local forced=${!forced_name:-}
    if [[ -n $forced ]]; then
        if [[ ! $forced =~ ^[1-9][0-9]{0,4}$ ]] || ((forced > 65535)); then fail "$forced_name is \"$forced\": a port is a number from 1 to 65535."; fi
        ! port_taken "$protocol" "$address" "$forced" || fail "$forced_name asks for port $forced/$protocol for $what, but another program holds it: stop that program or choose another port."
        choice=$forced
    elif ! port_taken "$protocol" "$address" "$default"; then
        choice=$default
    else
        choice=$(spare_port "$protocol" "$address")
        say "Port $default/$protocol is in use by another program, so $what listens on $choice."
    fi
    TAKEN_BY_US+=("$choice")
}

spare_port() { # PROTOCOL ADDRESS
    local start offset port
    start=$(($(checkout_number) % SPARE_COUNT))
    for ((offset = 0; offset < SPARE_COUNT; offset++)); do
        port=$((SPARE_FIRST + (start + offset) % SPARE_COUNT))
        if ! port_taken "$1" "$2" "$port"; then
            printf '%d' "$port"
            return
        fi
    done
}

# Whether listening there would clash with a listener, or with a port that we have chosen already.
port_taken() { # PROTOCOL ADDRESS PORT
    [[ " ${TAKEN_BY_US[*]-} " != *" $3 "* ]] || return 0
    port_in_kernel "$1" "$2" "$3"
}

# /proc/net/{tcp,udp}: local address in hexadecimal, octets reversed, then the port; state 0A is LISTEN.
# In the tables of IPv6 an address of IPv4 stands in the last eight digits.
port_in_kernel() { # PROTOCOL ADDRESS PORT
    local a b c d address port tables=()
    IFS=. read -r a b c d <<<"$2"
    printf -v address '%02X%02X%02X%02X' "$d" "$c" "$b" "$a"
    printf -v port '%04X' "$3"
    [[ ! -r /proc/net/$1 ]] || tables+=("/proc/net/$1")
    [[ ! -r /proc/net/${1}6 ]] || tables+=("/proc/net/${1}6")
    awk -v address="$address" -v port="$port" -v protocol="$1" '
        FNR == 1 { next }
        {
            split($2, at, ":")
            if (at[2] != port || (protocol == "tcp" && $4 != "0A")) next
            held = substr(at[1], length(at[1]) - 7)
            if (address == "00000000" || held == "00000000" || held == address) found = 1
        }
        END { exit !found }' "${tables[@]}"
}

# Sets ROUTER_ADDRESS: a loopback address of this checkout's own for the simulated router, since CoA has
# one port and several checkouts may run their demos side by side.
choose_router_address() {
    local number attempt
    number=$(checkout_number)
    for attempt in {0..99}; do
        local n=$((number + attempt * 7919))
        ROUTER_ADDRESS=127.$((2 + n % 250)).$((n / 250 % 250)).$((1 + n / 62500 % 250))
        port_in_kernel udp "$ROUTER_ADDRESS" "$COA_PORT" || return 0
    done
    fail "No loopback address has port $COA_PORT/udp free for the simulated router: another program holds it on every address; stop that program."
}
