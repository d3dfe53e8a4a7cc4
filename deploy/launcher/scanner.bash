# shellcheck shell=bash
# wapiti, a scanner that others wrote, for tests/web/scan.rs. Installs it below .mlango/scanner, once, in the versions of
# tests/web/requirements.txt.
#
# It is run in a network that has nothing but loopback, which only root can make. Whatever cannot be had here is named in one sentence, and the
# scan is skipped: nothing in this file ends a run.

readonly SCANNER_LIST=$ROOT/tests/web/requirements.txt
readonly SCANNER_HOME=$STATE/scanner

SCANNER_PYTHON=''

# Sets SCANNER_PYTHON to a Python that has wapiti, or to nothing.
install_scanner() {
    local home=$SCANNER_HOME/python log=$SCANNER_HOME/pip.log pip=()
    { am_root && unshare -n true 2>/dev/null; } || { skip_scanner "only root can make a network for it" && return 0; }
    if [[ -x $home/bin/python ]] && cmp -s "$SCANNER_LIST" "$home/installed"; then
        SCANNER_PYTHON=$home/bin/python
        return 0
    fi
    have python3 || { skip_scanner "there is no python3 here" && return 0; }
    say "Installing wapiti (for the tests) into .mlango/scanner."
    mkdir -p "$SCANNER_HOME"
    python_environment "$home" || { skip_scanner "Python has neither venv nor pip here" && return 0; }
    if ! within_time "$log" "${pip[@]}" --quiet --disable-pip-version-check --retries 1 --timeout 10 -r "$SCANNER_LIST"; then
        skip_scanner "pip could not install it ($(why_not "$log"))"
        return 0
    fi
    cp "$SCANNER_LIST" "$home/installed"
    SCANNER_PYTHON=$home/bin/python
}

skip_scanner() { # WHY
    say "The scan of the pages by wapiti is skipped: $1."
}
