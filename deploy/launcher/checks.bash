# shellcheck shell=bash
# `test` and `sqlx`: what a developer and CI run.
#
# Tests get servers of their own under .mlango/test, as durable as in production and apart from those of
# `up`, made new for each run. They say where things are by the environment: MLANGO_TEST_DATABASE_URL (a
# superuser; a test makes its own database), MLANGO_TEST_REDIS_URL, MLANGO_SHARED, MLANGO_CHROMIUM,
# MLANGO_CHROMEDRIVER, MLANGO_RADCLIENT, MLANGO_PAMTESTER, MLANGO_PAM_RADIUS (the PAM module's file),
# MLANGO_EAPOL_TEST, MLANGO_RADSECPROXY, MLANGO_PG_BIN (PostgreSQL's programs), MLANGO_STRACE, MLANGO_PGBACKREST,
# MLANGO_PYRAD (a Python that has pyrad), MLANGO_AIOSMTPD (one that has aiosmtpd), MLANGO_STEADY, MLANGO_EMULATE, MLANGO_OAUTH2 and MLANGO_WIREMOCK (programs), MLANGO_AXE (the
# file axe.min.js), MLANGO_TSC (a program) and MLANGO_QUICKBOOKS_TYPES (the file qbTypes.d.ts), MLANGO_LOCALSTACK_XERO, MLANGO_LOCALSTRIPE, MLANGO_MPESAKIT, MLANGO_ROUTEROS_LSP, MLANGO_ETIMS and MLANGO_SCHEMATHESIS (a Python that has them), MLANGO_WAPITI
# (one that has wapiti), MLANGO_NGINX and the other programs of tools.bash, and MLANGO_FULL=1 with --full. A variable that is not there means
# that the tests that need it are skipped; with MLANGO_CI, which .ci/run sets, those with a mail server, those that restore a backup, those of
# deploy/ and the scan of the pages fail instead.

readonly TEST_HOME=$STATE/test
# Every test opens pools of its own.
readonly TEST_CONNECTIONS=300

cmd_test() {
    local full=''
    if [[ ${1:-} == --full ]]; then
        full=1
        shift
    fi
    open_test_home
    install_for_test
    say "Building (the first time takes some minutes)."
    # With the tests, whose dependencies ask for more features: alone, the programs would be compiled a second time with those.
    cargo build --workspace --bins --tests || fail "The build failed: the compiler's reason stands above."
    start_test_postgres
    start_redis
    test_environment "$full"
    local status=0
    run_tests "$@" || status=$?
    # After a failure the databases are evidence.
    if ((status == 0)); then REMOVE_AT_END=("$PG_HOME" "$REDIS_HOME"); fi
    SPOKEN=yes # the runner's totals are the last word
    exit "$status"
}

open_test_home() {
    open_state "$TEST_HOME"
    take_lock || fail "Tests are running in this checkout already; wait for them."
    require_space "$ROOT"
    clear_leftovers
    choose_server_homes "$TEST_HOME"
}

start_test_postgres() {
    local server=postgresql
    say "Starting servers for the tests."
    rm -rf "$PG_HOME"
    start_postgres "$TEST_CONNECTIONS" 128MB
    # Nobody goes on with it: to write thousands of databases out in order takes a minute. What a failure leaves recovers when it is started.
    CHILD_SIGNAL[$server]=QUIT
}

# Superuser URL of a database of the tests' cluster.
test_database_url() { # DATABASE
    printf 'postgres:///%s?host=%s&user=postgres' "$1" "$(url_path "$PG_SOCKETS")"
}

test_environment() { # FULL?
    unset DATABASE_URL REDIS_URL MLANGO_SHARED MLANGO_CHROMIUM MLANGO_CHROMEDRIVER MLANGO_RADCLIENT MLANGO_PYRAD MLANGO_AIOSMTPD MLANGO_FULL
    unset MLANGO_PAMTESTER MLANGO_PAM_RADIUS MLANGO_EAPOL_TEST MLANGO_RADSECPROXY MLANGO_STRACE MLANGO_PGBACKREST
    unset MLANGO_STEADY MLANGO_EMULATE MLANGO_OAUTH2 MLANGO_WIREMOCK MLANGO_AXE MLANGO_LOCALSTACK_XERO MLANGO_LOCALSTRIPE MLANGO_MPESAKIT MLANGO_ROUTEROS_LSP
    unset MLANGO_SCHEMATHESIS MLANGO_WAPITI MLANGO_TSC MLANGO_QUICKBOOKS_TYPES MLANGO_ETIMS
    MLANGO_TEST_DATABASE_URL=$(test_database_url postgres)
    MLANGO_TEST_REDIS_URL=$(private_redis_url)
    export MLANGO_PG_BIN=$PG_BIN
    export MLANGO_TEST_DATABASE_URL MLANGO_TEST_REDIS_URL
    if [[ -d $ROOT/../shared ]]; then
        MLANGO_SHARED=$(cd "$ROOT/../shared" && pwd -P)
        export MLANGO_SHARED
    else
        say "There is no ../shared: the tests that read its packets are skipped."
    fi
    [[ -z $1 ]] || export MLANGO_FULL=1
    export_program MLANGO_CHROMIUM "the flows in a browser" chromium chromium-browser google-chrome
    export_program MLANGO_CHROMEDRIVER "the flows in a browser" chromedriver
    export_program MLANGO_RADCLIENT "the tests with radclient" radclient
    export_program MLANGO_PAMTESTER "the tests with a PAM module" pamtester
    export_program MLANGO_STRACE "the tests of system calls" strace
    export_program MLANGO_PGBACKREST "the tests that restore a backup" pgbackrest
    export_program MLANGO_EAPOL_TEST "the tests with an access point" eapol_test
    export_program MLANGO_RADSECPROXY "the tests with a proxy in front" radsecproxy
    export_program MLANGO_HOSTAPD "the tests with a NAS of others" hostapd
    export_program MLANGO_WPA_SUPPLICANT "the tests with a NAS of others" wpa_supplicant
    if am_root && unshare -m true 2>/dev/null && [[ -n $(pam_radius) ]]; then
        MLANGO_PAM_RADIUS=$(pam_radius)
        export MLANGO_PAM_RADIUS
    else
        say "Only root, with a mount namespace and libpam-radius-auth, can try a PAM service: the tests with a PAM module are skipped."
    fi
    if [[ -n $PYRAD_PYTHON ]]; then
        export MLANGO_PYRAD=$PYRAD_PYTHON
    else
        say "There is no pyrad here: the tests that hold our codec against it are skipped."
    fi
    if [[ -n $AIOSMTPD_PYTHON ]]; then
        export MLANGO_AIOSMTPD=$AIOSMTPD_PYTHON
    else
        say "There is no aiosmtpd here: the tests with a mail server are skipped."
    fi
    # What is missing of these was said when it could not be installed.
    [[ -z $STEADY ]] || export MLANGO_STEADY=$STEADY
    [[ -z $EMULATE ]] || export MLANGO_EMULATE=$EMULATE
    [[ -z $OAUTH2 ]] || export MLANGO_OAUTH2=$OAUTH2
    [[ -z $WIREMOCK ]] || export MLANGO_WIREMOCK=$WIREMOCK
    [[ -z $AXE ]] || export MLANGO_AXE=$AXE
    [[ -z $TSC ]] || export MLANGO_TSC=$TSC MLANGO_QUICKBOOKS_TYPES=$QUICKBOOKS_TYPES
    [[ -z $SCANNER_PYTHON ]] || export MLANGO_WAPITI=$SCANNER_PYTHON
    [[ -z $FAKES_PYTHON ]] || export MLANGO_LOCALSTACK_XERO=$FAKES_PYTHON MLANGO_LOCALSTRIPE=$FAKES_PYTHON MLANGO_MPESAKIT=$FAKES_PYTHON MLANGO_ROUTEROS_LSP=$FAKES_PYTHON MLANGO_ETIMS=$FAKES_PYTHON
    [[ -z $SCHEMATHESIS_PYTHON ]] || export MLANGO_SCHEMATHESIS=$SCHEMATHESIS_PYTHON
    export_tools
}

export_program() { # VARIABLE WHAT NAME...
    local variable=$1 what=$2 usual=$3 name
    shift 2
    for name in "$@"; do
        if have "$name"; then
            export "$variable=$(command -v "$name")"
            return
        fi
    done
    say "There is no $usual here, and only root can install it: $what are skipped."
}

# The examples in the documentation first, so that the runner's totals are the last thing said.
run_tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        (($# > 0)) || run_tied cargo test --workspace --doc --quiet || return
        run_tied cargo nextest run --workspace "$@"
    else
        run_tied cargo test --workspace "$@"
    fi
}

# The query macros are checked against a real database once, here, and what they learnt is checked in;
# every other build reads that.
cmd_sqlx() {
    local check='' fresh=$TEST_HOME/sqlx url what
    case ${1:-} in
        --check) check=yes ;;
        '') ;;
        *) fail "sqlx does not know $1; see ./mlango help." ;;
    esac
    open_test_home
    install_for_sqlx
    start_test_postgres
    migrate_scratch_database
    url=$(test_database_url scratch)
    REMOVE_AT_END=("$PG_HOME")
    rm -rf "$fresh" && mkdir -p "$fresh" "$ROOT/.sqlx"
    # The macros run only when the crate is compiled.
    touch "$ROOT/shared/store/src/lib.rs"
    # Macros run also where nothing is built. For the check with the lints, so that everything is looked at once; for renewing the store alone,
    # since what uses it may not compile yet.
    [[ -n $check ]] && what=(clippy --workspace --all-targets -- -D warnings) || what=(check -p store)
    SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$fresh DATABASE_URL=$url run_tied cargo "${what[@]}" ||
        fail "The store does not build against the migrated database, or the lints object: the reason stands above."
    if diff -rq "$ROOT/.sqlx" "$fresh"; then
        say ".sqlx is fresh: $(find "$fresh" -name 'query-*.json' | wc -l) queries."
    elif [[ -n $check ]]; then
        fail ".sqlx is not what the queries and migrations say: run ./mlango sqlx and commit the difference."
    else
        find "$ROOT/.sqlx" -name 'query-*.json' -delete
        find "$fresh" -name 'query-*.json' -exec cp {} "$ROOT/.sqlx/" \;
        say ".sqlx is renewed: $(find "$fresh" -name 'query-*.json' | wc -l) queries."
    fi
}

# The migrations alone, by psql: the portal cannot be asked, since without .sqlx it does not compile.
migrate_scratch_database() {
    local file
    pg_sql postgres 'CREATE DATABASE scratch'
    for file in "$ROOT"/migrations/*.sql; do
        "$PG_BIN/psql" -X -q -1 -v ON_ERROR_STOP=1 -h "$PG_SOCKETS" -p 5432 -U postgres -d scratch -f "$file" >"$LOG/migrate.log" 2>&1 ||
            fail "The migration ${file##*/} does not run: $(grep -m1 ERROR "$LOG/migrate.log" || last_line "$LOG/migrate.log")"
    done
}
