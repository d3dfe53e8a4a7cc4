# shellcheck shell=bash
# CDNOW's customers, on whom the bench of findings measures who will buy: a file inside the Python package `lifetimes`, which is
# installed below .mlango/cdnow once, for that file alone. Its licence is not known, so it is in no checkout.
#
# Whatever cannot be had here is said in one sentence, and the bench says that it measured nothing of it.

readonly CDNOW_PACKAGE=Lifetimes==0.11.3
readonly CDNOW_HOME=$STATE/cdnow

# The path of the sample of 2,357 customers, or nothing.
CDNOW=''

# Sets CDNOW, and says it by the environment.
export_cdnow() {
    unset MLANGO_CDNOW
    install_cdnow
    [[ -z $CDNOW ]] || export MLANGO_CDNOW=$CDNOW
}

install_cdnow() {
    local log=$CDNOW_HOME/pip.log python=$CDNOW_HOME/python pip=()
    find_cdnow
    [[ -z $CDNOW ]] || return 0
    have python3 || { skip_cdnow "there is no python3 here" && return 0; }
    mkdir -p "$CDNOW_HOME"
    say "Installing the customers of CDNOW (for the bench, with the Python package lifetimes) into .mlango/cdnow."
    python_environment "$python" || { skip_cdnow "Python has neither venv nor pip here" && return 0; }
    # What it needs to be run is left out: one of its files is read, and none of its code.
    if ! within_time "$log" "${pip[@]}" --quiet --disable-pip-version-check --retries 1 --timeout 10 --no-deps "$CDNOW_PACKAGE"; then
        skip_cdnow "pip could not install them ($(why_not "$log"))"
        return 0
    fi
    find_cdnow
    [[ -n $CDNOW ]] || skip_cdnow "$CDNOW_PACKAGE has no such file"
}

find_cdnow() {
    local file
    CDNOW=''
    for file in "$CDNOW_HOME"/python/lib/{,python*/site-packages/}lifetimes/datasets/CDNOW_sample.txt; do
        [[ ! -r $file ]] || CDNOW=$file
    done
}

skip_cdnow() { # WHY
    say "Who will buy is measured without the customers of CDNOW: $1."
}
