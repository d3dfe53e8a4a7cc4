# shellcheck shell=bash
# What `doctor` says of backups. The portal knows how they stand; a line for each question.
#
# The database of `up` is for trying things, so what is missing is a note and no problem.

examine_backups() {
    local bin said line
    bin=${MLANGO_BIN_DIR:-$(target_dir 2>/dev/null || true)/debug}
    # That it is not built was said when the schema was to be looked at.
    [[ -x $bin/portal ]] || return 0
    if said=$("$bin/portal" --config "$CONFIG" backup status 2>&1); then
        while IFS= read -r line; do ok "${line%.}"; done <<<"$said"
    else
        said=${said##*$'\n'}
        note "backups: ${said#portal: }"
    fi
}
